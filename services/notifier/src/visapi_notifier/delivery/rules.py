"""The rules of one delivery: the record, the result, the retries. Pure.

`started` is recorded before the effect, with a lease; the record decides whether a later delivery of the same
key may act. docs/explanation/effects-and-uncertainty.md explains the classes of effects.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import Fault, TransientFault, UnknownFault
from visapi_common.worker.outcomes import refusal_error
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent, Unclear, communication

LEASE_S = 4.0
RENEW_EVERY_S = 1.0
LEASE_MARGIN_S = 1.0
"""A lease not confirmed for `LEASE_S - LEASE_MARGIN_S` is treated as lost: nothing is sent under it."""
IN_PROCESS_S = 10.0
"""In-process retries end after this; beyond it a workflow's `try` decides."""
BACKOFF_BASE_S = 0.2
BACKOFF_CAP_S = 4.0


@dataclass(frozen=True, slots=True)
class Start:
    """A request to act under an effect key; `repeatable` when a repetition is harmless or was requested.

    `varies` when only the request, which cannot be read, decides about that, or has no effect at all.
    """

    message: TaskMessage
    repeatable: bool
    owner: str
    varies: bool = False


class DeliveryState(StrEnum):
    """The states of a row of `deliveries`."""

    STARTED = "started"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a finished delivery recorded: exactly one of the two is set."""

    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: WorkflowError | None = None


# ---- what the ledger answers to "may I start?"


@dataclass(frozen=True, slots=True)
class LeaseGranted:
    """`started` is committed under our lease."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The effect was done, or definitely failed in this attempt; holds the recorded result."""

    state: DeliveryState
    record: bytes


@dataclass(frozen=True, slots=True)
class Busy:
    """Another delivery holds the lease; try again after `delay_s`."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Held:
    """The effect was started, its outcome is unknown, and no repetition was requested."""


Verdict = LeaseGranted | Recorded | Busy | Held


# ---- what a try means


@dataclass(frozen=True, slots=True)
class Ended:
    """Store the record with `state` and return it as the result. `uncertain` describes an unknown outcome
    instead.
    """

    state: DeliveryState
    output: Any = None
    error: WorkflowError | None = None
    out_of_time: bool = False
    """The task's time ended: the result is a timeout, whatever the record says about the effect."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Nothing happened: retry after `delay_s` if time is left, else end as `otherwise`."""

    delay_s: float
    otherwise: Ended


def after_reading(reading: Reading, *, repeatable: bool, backoff_s: float) -> Ended | RetryLater:
    """The next step after a response. A 429 had no effect; a 503 with Retry-After is repeated under a key."""
    match reading:
        case Sent(output):
            return Ended(DeliveryState.SENT, output=output)
        case Unclear(detail):
            return _unclear(detail, repeatable=repeatable)
        case Refused(error, advice):
            ended = Ended(DeliveryState.FAILED, error=error)
            if advice is not None and (error.status == 429 or (error.status == 503 and repeatable)):
                return RetryLater(max(advice, backoff_s), ended)
            return ended


def after_fault(fault: Fault, *, repeatable: bool, backoff_s: float) -> Ended | RetryLater:
    """The next step after a failure: a transient failure had no effect, an unknown one may have had."""
    match fault:
        case TransientFault(retry_after_s=advice):
            ended = Ended(DeliveryState.FAILED, error=communication(503, "Unreachable", str(fault)))
            return RetryLater(max(advice or 0.0, backoff_s), ended)
        case UnknownFault():
            return _unclear(str(fault), repeatable=repeatable)
        case EgressRefused():
            return Ended(DeliveryState.FAILED, error=refusal_error(fault))
        case _:
            return Ended(DeliveryState.FAILED, error=communication(502, "Not deliverable", str(fault)))


def out_of_time(fault: Fault | None, *, repeatable: bool) -> Ended:
    """The task's time is over. The effect may have happened where `fault` cannot tell."""
    error = standard_error(
        "timeout", 408, title="Timeout", detail="the receiver did not answer within the task's timeout"
    )
    unclear = isinstance(fault, UnknownFault) and not repeatable
    state = DeliveryState.UNCERTAIN if unclear else DeliveryState.FAILED
    return Ended(state, error=error, out_of_time=True)


def after_bug(bug: Exception, *, repeatable: bool) -> Ended:
    """The outcome after a bug between the request and the record: the effect may have happened."""
    detail = f"the notifier's function raised {type(bug).__name__}; its log has the traceback"
    state = DeliveryState.FAILED if repeatable else DeliveryState.UNCERTAIN
    return Ended(state, error=standard_error("runtime", 500, title="Function failed", detail=detail))


def _unclear(detail: str, *, repeatable: bool) -> Ended:
    if repeatable:
        return Ended(DeliveryState.FAILED, error=communication(504, "No answer", detail))
    return Ended(DeliveryState.UNCERTAIN, error=communication(504, "Outcome unknown", detail))
