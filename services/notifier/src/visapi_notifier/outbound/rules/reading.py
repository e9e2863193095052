"""The meaning of a response for an effect: it happened, it did not, or that is unknown."""

from dataclasses import dataclass
from typing import Any

import msgspec

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_notifier.outbound.rules.masking import Mask


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiver accepted the request. `output` is the task's output; `hidden`: it is already masked."""

    output: Any
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver certainly did not act. `retry_after_s` is its advice; `hidden` as in `Sent`."""

    error: WorkflowError
    retry_after_s: float | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Unclear:
    """The receiver responded, but whether it acted is unknown."""

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
