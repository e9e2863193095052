"""The answers of the ledger, as values."""

from uuid import UUID

import msgspec

from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.transitions.rules.child_limits import ChildVerdict
from visapi_orchestrator.transitions.rules.flow import FlowDecision
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot


class LoadedRuns(msgspec.Struct, frozen=True):
    """Live runs by id. `now_ms` is the database's clock, unless nothing was found."""

    snapshots: dict[UUID, RunSnapshot]
    now_ms: int | None


class HeldCollections(msgspec.Struct, frozen=True):
    """Collections of a schedule by key (None: there is none); how many it has, and their bytes."""

    stored: dict[str, bytes | None]
    number: int
    bytes_held: int


class ClaimedInbox(msgspec.Struct, frozen=True):
    """Runs with overdue inbox rows (some twice), and dead letters for rows of an unknown kind."""

    runs: list[UUID]
    unknown: list[DeadLetterEntry]


class WrittenDeadLetter(msgspec.Struct, frozen=True):
    """A dead letter that did not exist before."""

    run: UUID
    path: str
    attempt: int
    reason: str


class WriteResult(msgspec.Struct, frozen=True):
    """The runs whose compare-and-set held, with their age in seconds; new dead letters; what flow control
    and the bounds of families decided.
    """

    done: dict[UUID, float]
    dead_letters: list[WrittenDeadLetter]
    verdict: FlowDecision = FlowDecision()
    child_verdict: ChildVerdict = msgspec.field(default_factory=ChildVerdict)


class RevivedRuns(msgspec.Struct, frozen=True):
    """Runs that are live again, and parents that were notified of runs that cannot be resumed."""

    live: list[UUID]
    notified: list[UUID]


class CurrentRun(msgspec.Struct, frozen=True):
    """Where a run stands; an ended run has no state."""

    revision: int
    state: bytes | None
