"""Turns an exception into a task's outcome and error. Pure.

A function of class *once* must not be repeated blindly, so every failure that leaves open whether the effect
happened (an unknown fault, a timeout, a bug in the handler) is `uncertain`.
"""

import msgspec

from visapi_common.contracts.engine_messages import Outcome
from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.contracts.task_messages import EffectClass
from visapi_common.core.egress_policy import EgressRefused, MalformedRedirect, MalformedUrl
from visapi_common.core.errors import Fault, PermanentFault, ProblemError, TransientFault
from visapi_common.worker.faults import TaskFault, TransientTaskFault

MAX_DELIVERIES = 5
"""A task delivered more often without a result is failed without being started: it may kill its workers."""

REFUSED_STATUS = 421
"""The status of a destination refused by the egress guard: "Misdirected Request" (RFC 9110 section
15.5.20).
"""

_KIND_BY_STATUS = {401: "authentication", 403: "authorization", 408: "timeout"}


class Failure(msgspec.Struct, frozen=True):
    """The failure of a task. `bug` requests a traceback in the log."""

    outcome: Outcome
    error: WorkflowError
    bug: bool = False


def failure_of(raised: BaseException, effect: EffectClass) -> Failure:
    """The failure that the workflow sees for a handler's exception."""
    match raised:
        case ProblemError():
            return Failure(Outcome.FAULTED, _problem(raised))
        case TaskFault() | TransientTaskFault():
            return Failure(Outcome.FAULTED, raised.error)
        case TransientFault():
            return Failure(Outcome.FAULTED, _communication(503, "Temporarily unavailable", raised))
        case EgressRefused():
            return Failure(Outcome.FAULTED, refusal_error(raised))
        case PermanentFault():
            return Failure(Outcome.FAULTED, _communication(500, "Refused", raised))
        case Fault():
            return _unclear(effect, _communication(500, "Outcome unknown", raised))
        case _:
            detail = f"the worker's function raised {type(raised).__name__}; its log has the traceback"
            error = standard_error("runtime", 500, title="Function failed", detail=detail)
            return _unclear(effect, error, bug=True)


def refusal_error(refused: EgressRefused) -> WorkflowError:
    """The error of a destination refused by the egress guard. Its text contains no address, so it may be
    shown.

    The status differs from those of responses and of missing rights.
    """
    match refused:
        case MalformedRedirect():
            return _communication(502, "Malformed answer", refused)
        case MalformedUrl():
            return standard_error("validation", 400, title="Malformed URL", detail=str(refused))
        case _:
            return standard_error(
                "authorization", REFUSED_STATUS, title="Destination refused", detail=str(refused)
            )


def timed_out(effect: EffectClass, timeout_s: float) -> Failure:
    """The failure of a function that exceeded its timeout."""
    detail = f"the function did not end within {timeout_s:g} s; raise its timeout or do less"
    return _unclear(effect, standard_error("timeout", 408, title="Timeout", detail=detail))


def too_late(effect: EffectClass, *, begun: bool) -> Failure:
    """The failure of a task whose deadline passed before its function was called. `begun`: an earlier
    delivery or another process may have called it.
    """
    detail = "the task's deadline had passed when a worker could start it; it was not run"
    error = standard_error("timeout", 408, title="Timeout", detail=detail)
    return _unclear(effect, error) if begun else Failure(Outcome.FAULTED, error)


def poison(effect: EffectClass, deliveries: int) -> Failure:
    """The failure of a task that was delivered too often and probably kills its workers. Whether an effect of
    class *once* happened is unknown.
    """
    detail = f"delivered {deliveries} times without an answer; not run again, see the dead letters"
    return _unclear(effect, standard_error("runtime", 500, title="Poison task", detail=detail))


def happened(failure: Failure, effect: EffectClass) -> Failure:
    """The failure of a function whose output cannot be stored: a retry would repeat the effect."""
    if effect is not EffectClass.ONCE:
        return failure
    return msgspec.structs.replace(failure, outcome=Outcome.UNCERTAIN)


def claimed_before() -> Failure:
    """The failure of a *once* effect that was started before, with an unknown outcome."""
    detail = "this effect was started before and its outcome is unknown; resolve it by hand"
    return Failure(Outcome.UNCERTAIN, standard_error("runtime", 500, title="Outcome unknown", detail=detail))


def _unclear(effect: EffectClass, error: WorkflowError, *, bug: bool = False) -> Failure:
    outcome = Outcome.UNCERTAIN if effect is EffectClass.ONCE else Outcome.FAULTED
    return Failure(outcome, error, bug)


def _problem(problem: ProblemError) -> WorkflowError:
    kind = _KIND_BY_STATUS.get(problem.status, "validation" if problem.status < 500 else "runtime")
    plain = standard_error(kind, problem.status, title=problem.code, detail=problem.detail)
    if not problem.errors:
        return plain
    return msgspec.structs.replace(plain, data={"errors": msgspec.to_builtins(problem.errors)})


def _communication(status: int, title: str, fault: Fault) -> WorkflowError:
    return standard_error("communication", status, title=title, detail=str(fault))
