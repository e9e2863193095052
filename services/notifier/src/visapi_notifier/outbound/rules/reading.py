"""What a receiver's answer means for an effect: it happened, it did not, or nobody can tell."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_notifier.outbound.rules.masking import Mask


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do; routing and retrying read nothing else about it."""

    idempotency: Literal["key", "lookup", "none"]
    status: Literal["push", "poll", "none"]
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiver took it. `output` is the task's output; `hidden` when no secret is left in it."""

    output: Any
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver certainly did not act. `retry_after_s` is its own advice; `hidden` as in `Sent`."""

    error: WorkflowError
    retry_after_s: float | None = None
    hidden: bool = False


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


def hidden_error(error: WorkflowError, mask: Mask) -> WorkflowError:
    """An error without secrets; its type and status are ours."""
    return msgspec.structs.replace(
        error, title=mask.hide(error.title), detail=mask.hide(error.detail), data=mask.hide(error.data)
    )
