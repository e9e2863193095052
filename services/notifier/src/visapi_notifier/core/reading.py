"""What a receiver's answer means for an effect: it happened, it did not, or nobody can tell."""

from dataclasses import dataclass
from typing import Any, Literal

from visapi_common.contracts.problems import WorkflowError, standard_error


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do; routing and retrying read nothing else about it."""

    idempotency: Literal["key", "lookup", "none"]
    status: Literal["push", "poll", "none"]
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiver took it. `output` is the task's output."""

    output: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver certainly did not act. `retry_after_s` is its own advice."""

    error: WorkflowError
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """The receiver answered, and even so nobody can tell whether it acted."""

    detail: str


Reading = Sent | Refused | Unclear


def communication(status: int, title: str, detail: str, data: Any = None) -> WorkflowError:
    """The specification's communication error with the receiver's status."""
    error = standard_error("communication", status, title=title, detail=detail)
    if data is None:
        return error
    return WorkflowError(error.type, error.status, error.title, error.detail, data=data)
