"""What the orchestrator runs on: the adapters that the wiring passes in."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from visapi_common.core.clocks import MonotonicClock
from visapi_orchestrator.batches.pump import AnnouncedMessages
from visapi_orchestrator.dead_letters.many_replays import ManyReplayRows
from visapi_orchestrator.dead_letters.quarantine import DeadLetterRows
from visapi_orchestrator.dead_letters.replays import ReplayedRows
from visapi_orchestrator.endpoints.work import EndpointRows
from visapi_orchestrator.events.dispatch import Acknowledged, EventRows
from visapi_orchestrator.events.intake import EventSource, IntakeRows
from visapi_orchestrator.events.lifecycle_relay import History, LifecycleStream
from visapi_orchestrator.events.producers import ProducedEvents, TenantRows
from visapi_orchestrator.events.set_aside_messages import LetterCounts
from visapi_orchestrator.kernel.ports import Publisher
from visapi_orchestrator.tasks.claims import ClaimedTasks, WorkerRequest
from visapi_orchestrator.tasks.heartbeats import HeartbeatTasks
from visapi_orchestrator.tasks.registry import FunctionRows, Streams
from visapi_orchestrator.tasks.releases import HeldTasks, QueuedTasks
from visapi_orchestrator.tasks.sweep import OpenTasks, TaskStream
from visapi_orchestrator.tasks.templates import TemplateRows
from visapi_orchestrator.timing.due_work import DueRows
from visapi_orchestrator.timing.flow_sweep import FlowRows
from visapi_orchestrator.timing.schedule_clock import ScheduleRows
from visapi_orchestrator.transitions.ports import Engine, Ledger, Payloads
from visapi_orchestrator.upkeep.collected import CollectedRows
from visapi_orchestrator.upkeep.erasing import Erasing
from visapi_orchestrator.upkeep.family_sweep import FamilyRows
from visapi_orchestrator.upkeep.levels import CountedTasks, LedgerLevels, StreamLevels
from visapi_orchestrator.upkeep.retention import RetentionRows
from visapi_orchestrator.upkeep.tidying import AgingRows, Sweepable
from visapi_orchestrator.upkeep.usage import UsageRows


class NatsBus(Publisher, Protocol):
    """The connection, as far as wiring needs it."""

    @property
    def connected(self) -> bool: ...
    async def subscribe(
        self, subject: str, handler: Callable[[WorkerRequest], None], queue: str | None = None
    ) -> object: ...
    def on_reconnect(self, callback: Callable[[], Awaitable[None] | None]) -> None: ...
    def on_handler_failure(self, callback: Callable[[], object]) -> None: ...


class PulledSource(AnnouncedMessages, Protocol):
    """A consumer's deliveries."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class TaskRows(OpenTasks, HeldTasks, CountedTasks, HeartbeatTasks, ClaimedTasks, Protocol):
    """Everything about open tasks."""


class UpkeepRows(FunctionRows, AgingRows, Protocol):
    """Functions, and rows that grow old."""


class AllEventRows(EventRows, IntakeRows, TenantRows, LetterCounts, Protocol):
    """Everything about events."""


class JetStreams(Streams, TaskStream, QueuedTasks, StreamLevels, Protocol):
    """Streams, as the registry, the sweep, the releases and the reported levels see them."""


class SweptSchedules(ScheduleRows, Sweepable, Protocol):
    """Schedules and their fires."""


class AllDeadLetters(DeadLetterRows, ReplayedRows, ManyReplayRows, Sweepable, Protocol):
    """Dead letters, and their replays."""


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """The adapters that the orchestrator runs on."""

    ledger: Ledger
    due: DueRows
    tasks: TaskRows
    templates: TemplateRows
    upkeep: UpkeepRows
    levels: LedgerLevels
    aging: Mapping[str, Sweepable]
    endpoints: EndpointRows
    retention: RetentionRows
    streams: JetStreams
    bus: NatsBus
    results: PulledSource
    triggers: PulledSource
    events: EventSource
    produced: ProducedEvents
    event_rows: AllEventRows
    event_publisher: Acknowledged
    history: History
    lifecycle: LifecycleStream
    schedules: SweptSchedules
    dead_letters: AllDeadLetters
    flow: FlowRows
    families: FamilyRows
    collected: CollectedRows
    usage: UsageRows
    erasing: Erasing
    engine: Engine
    payloads: Payloads
    monotonic: MonotonicClock
