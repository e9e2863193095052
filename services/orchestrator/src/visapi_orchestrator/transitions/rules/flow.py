"""Flow control as transitions see it: slot requests, slot releases, and the verdict."""

from uuid import UUID

import msgspec

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.state import Admission
from visapi_engine.process.protocol import Answer
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

Key = tuple[str, str, str]
"""A tenant, one of its scopes, and a key in the scope: runs of the same key share its slots."""


class SlotRequest(msgspec.Struct, frozen=True):
    """A run that wants to begin. A run that `has_parent` may share its parent's slot."""

    run: UUID
    tenant: str
    scope: str
    admission: Admission
    has_parent: bool = False


class SlotRelease(msgspec.Struct, frozen=True):
    """A run that ended and releases its slot."""

    run: UUID
    tenant: str
    scope: str
    key: str


class FlowDecision(msgspec.Struct, frozen=True):
    """Runs that wait (their transitions are not written), runs that are rejected, and runs to wake (`awake`).
    `alarm_ms` is the earliest start that a rate limit has reserved.
    """

    waiting: frozenset[UUID] = frozenset()
    rejected: frozenset[UUID] = frozenset()
    awake: frozenset[UUID] = frozenset()
    alarm_ms: int | None = None


def slot_request_of(snapshot: RunSnapshot, answer: Answer) -> SlotRequest | None:
    """A run that begins requests a slot, unless its first transition cancels it."""
    if not answer.begins or answer.admission is None or answer.status is RunStatus.CANCELLED:
        return None
    return SlotRequest(
        snapshot.run, snapshot.tenant, scope_of(snapshot), answer.admission, snapshot.parent is not None
    )


def slot_release_of(snapshot: RunSnapshot, answer: Answer) -> SlotRelease | None:
    if not answer.ended or answer.admission is None:
        return None
    return SlotRelease(snapshot.run, snapshot.tenant, scope_of(snapshot), answer.admission.key)


def scope_of(snapshot: RunSnapshot) -> str:
    return f"{snapshot.workflow.namespace}/{snapshot.workflow.name}"


def lock_of(tenant: str, scope: str, key: str, kind: str = "slot") -> str:
    """The name of the lock under which the rows of a key are read and written."""
    return f"{kind}\0{tenant}\0{scope}\0{key}".replace("\0", "\x1f")


def rejection(snapshot: RunSnapshot) -> WorkflowError:
    return standard_error(
        "runtime",
        429,
        title="Concurrency limit reached",
        detail=f"as many runs of {scope_of(snapshot)} with its key are under way as may be; start it later",
    )
