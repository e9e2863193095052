"""Wraps every handler, so that no exception and no log record of a handler holds a secret.

`tries.py` masks outputs and records; errors of every kind, early checks included, are masked here.
A redelivered task may fail before its delivery, because its account or template was deleted meanwhile: the
ledger decides whether the effect happened, not the failure.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from visapi_common.contracts.problems import FieldError, WorkflowError, standard_error
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.errors import Fault, ProblemError, TransientFault, UnknownFault
from visapi_common.telemetry.logs import get_logger, hiding
from visapi_common.worker.context import TaskContext
from visapi_common.worker.faults import Postponed, TaskFault, TransientTaskFault
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import hidden_error

Handler = Callable[[msgspec.Raw, TaskContext, Mask], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Known:
    """The output that an earlier delivery of the same effect recorded."""

    output: Any


Ask = Callable[[TaskMessage], Awaitable[Known | None]]
"""What the ledger knows of a task's effect, as `Deliverer.known`."""


class HiddenFault(TaskFault):
    """An error without secrets: the error of a delivery or of its record."""


def served(handler: Handler, own: Mask, ask: Ask) -> Callable[[msgspec.Raw, TaskContext], Awaitable[Any]]:
    """The handler with a mask of its own for each task. `own` hides the process's own credentials; `ask` is
    asked before a failure is answered.
    """
    log = get_logger("functions")

    async def outcome(given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
        try:
            return await handler(given, task, mask)
        except (Postponed, HiddenFault, UnknownFault):
            raise  # the ledger was asked
        except Exception as early:  # noqa: BLE001 (raised below, unless the ledger knows an outcome)
            failure = early
        known = await ask(task.message)
        if known is None:
            raise failure
        return known.output

    async def call(given: msgspec.Raw, task: TaskContext) -> Any:
        mask = Mask(own)
        with hiding(mask.hide):
            try:
                return await outcome(given, task, mask)
            except (Postponed, HiddenFault):
                raise
            except (ProblemError, Fault) as failure:
                raise hidden(failure, mask) from None
            except Exception as bug:
                # The ledger protects every sent effect, and a read has no effect.
                log.error("function_failed", exc_info=bug)
                raise TaskFault(_failed(bug)) from None

    call.__doc__ = handler.__doc__
    return call


def hidden(failure: ProblemError | Fault, mask: Mask) -> Exception:
    """The same failure without secrets."""
    match failure:
        case ProblemError(code=code, detail=detail, status=status, errors=errors):
            plain = mask.hide(msgspec.to_builtins(errors))
            shown = None if errors is None else msgspec.convert(plain, list[FieldError])
            return ProblemError(code, mask.hide(detail), status=status, errors=shown)
        case TaskFault(error=error):
            return TaskFault(hidden_error(error, mask))
        case TransientTaskFault(error=error, retry_after_s=advice):
            return TransientTaskFault(hidden_error(error, mask), retry_after_s=advice)
        case TransientFault(retry_after_s=advice):
            return TransientFault(mask.hide(str(failure)), retry_after_s=advice)
        case _:
            failure.args = tuple(mask.hide(str(part)) for part in failure.args)
            return failure


def _failed(bug: Exception) -> WorkflowError:
    detail = f"the notifier's function raised {type(bug).__name__}; its log has the traceback"
    return standard_error("runtime", 500, title="Function failed", detail=detail)
