"""The rows that fakes share, and the clock of their database."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from kit.fakes.clocks import NOON_MS
from visapi_common.contracts.engine_messages import InboxKind
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.transitions.relations.history import HistoryRow
from visapi_orchestrator.transitions.relations.runs import EndedRun
from visapi_orchestrator.transitions.relations.subscriptions import SubscriptionRow
from visapi_orchestrator.transitions.rules.related_writes import Definition
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

TaskId = tuple[UUID, str]


def backoff_ms(sweeps: int) -> int:
    """How long a row that was swept so often is left alone."""
    return int(min(60, 2 ** (min(sweeps, 5) + 1)) * 1000)


@dataclass
class RunRow:
    """A live run; its inbox stands apart."""

    snapshot: RunSnapshot
    created_ms: int
    sweep_ms: int
    sweeps: int = 0


@dataclass
class DoneRow:
    snapshot: RunSnapshot
    end: EndedRun


@dataclass
class TaskRow:
    """An open task. `sent_ms` is None while it is held back."""

    tenant: str
    attempt: int
    function: str
    effect_key: str
    token: str
    message: bytes
    ready_ms: int
    sweep_ms: int
    sent_ms: int | None
    sweeps: int = 0
    state: str = "queued"
    claimed_by: str | None = None
    heartbeat_ms: int | None = None


@dataclass
class TimerRow:
    fire_ms: int
    due_ms: int


@dataclass
class InboxEntry:
    tenant: str
    kind: str
    body: bytes
    sweep_ms: int
    sweeps: int = 0


@dataclass
class FakeRows:
    """All rows; `now_ms` is the database's clock, which stands still until it is moved."""

    now_ms: int = NOON_MS
    runs: dict[UUID, RunRow] = field(default_factory=dict[UUID, RunRow])
    done: dict[UUID, DoneRow] = field(default_factory=dict[UUID, DoneRow])
    tasks: dict[TaskId, TaskRow] = field(default_factory=dict[TaskId, TaskRow])
    timers: dict[TaskId, TimerRow] = field(default_factory=dict[TaskId, TimerRow])
    inbox: dict[TaskId, InboxEntry] = field(default_factory=dict[TaskId, InboxEntry])
    history: list[HistoryRow] = field(default_factory=list[HistoryRow])
    told_upto: int = 0
    """How many rows of history the lifecycle relay has left behind."""
    subscriptions: list[SubscriptionRow] = field(default_factory=list[SubscriptionRow])
    collections: dict[TaskId, bytes] = field(default_factory=dict[TaskId, bytes])
    """What schedules have collected, by listener and key."""
    definitions: dict[tuple[str, str, str], list[Definition]] = field(
        default_factory=dict[tuple[str, str, str], list[Definition]]
    )
    """By tenant, namespace and name, the highest version last."""
    dead_letters: list[DeadLetterEntry] = field(default_factory=list[DeadLetterEntry])
    held_letters: set[tuple[UUID, str, int, str]] = field(default_factory=set[tuple[UUID, str, int, str]])
    """Dead letters of tasks, which are written with transitions."""

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def accept(self, snapshot: RunSnapshot) -> None:
        """A run that a client, or another run, has started."""
        self.runs[snapshot.run] = RunRow(snapshot, self.now_ms, self.now_ms + 2000)

    def put_inbox(self, run: UUID, key: str, tenant: str, kind: str, body: bytes) -> None:
        self.inbox.setdefault((run, key), InboxEntry(tenant, kind, body, self.now_ms + 2000))

    def remove_of(self, run: UUID, *, keep_retries: bool = False) -> None:
        """What an ended run leaves: its parent's requests to retry it, or everybody's."""

        def is_kept(key: str, entry: InboxEntry) -> bool:
            asks = entry.kind == InboxKind.RETRY.value
            return asks and (keep_retries or key.startswith("parent:"))

        self.tasks = {place: row for place, row in self.tasks.items() if place[0] != run}
        self.timers = {place: row for place, row in self.timers.items() if place[0] != run}
        inbox = self.inbox.items()
        self.inbox = {place: entry for place, entry in inbox if place[0] != run or is_kept(place[1], entry)}
