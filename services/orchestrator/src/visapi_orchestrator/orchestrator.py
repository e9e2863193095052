"""All parts of the orchestrator, started in order and stopped in order."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.task_messages import WorkerSlots
from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation, kept_alive
from visapi_common.runtime.service import Lifecycle
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.batches.pump import Pump
from visapi_orchestrator.batches.reading import Intake
from visapi_orchestrator.batches.unreadable import UnreadableMessages
from visapi_orchestrator.dead_letters.many_replays import keep_asking
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.dead_letters.replays import Replays
from visapi_orchestrator.dependencies import Dependencies
from visapi_orchestrator.endpoints.work import work
from visapi_orchestrator.events.dispatch import EventDispatch
from visapi_orchestrator.events.intake import EventIntake
from visapi_orchestrator.events.lifecycle_relay import LifecycleRelay
from visapi_orchestrator.events.producers import ProducerShares
from visapi_orchestrator.events.set_aside_messages import SetAsideMessages
from visapi_orchestrator.kernel.database_clock import DatabaseClock
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.kernel.rules.usage import Usage
from visapi_orchestrator.settings import OrchestratorSettings
from visapi_orchestrator.tasks.claims import Claims, WorkerRequest
from visapi_orchestrator.tasks.heartbeats import Heartbeats
from visapi_orchestrator.tasks.outbox import Outbox
from visapi_orchestrator.tasks.registry import Registry
from visapi_orchestrator.tasks.releases import Releases
from visapi_orchestrator.tasks.sweep import TaskSweep
from visapi_orchestrator.tasks.templates import Templates
from visapi_orchestrator.timing.due_work import DueWork
from visapi_orchestrator.timing.flow_sweep import keep_admitting
from visapi_orchestrator.timing.schedule_clock import ScheduleClock
from visapi_orchestrator.transitions.dependencies import Bounds, RunKeys, TransitionDependencies
from visapi_orchestrator.transitions.known_payloads import KnownPayloads
from visapi_orchestrator.transitions.large_values import LargeValues
from visapi_orchestrator.transitions.protocol import Transitions
from visapi_orchestrator.transitions.slow_runs import SlowRuns
from visapi_orchestrator.transitions.values import ValueReader
from visapi_orchestrator.upkeep.collected import CollectedSweep
from visapi_orchestrator.upkeep.erasing import upkeep_work
from visapi_orchestrator.upkeep.family_sweep import keep_cancelling, keep_counting
from visapi_orchestrator.upkeep.levels import report_levels
from visapi_orchestrator.upkeep.retention import Retention
from visapi_orchestrator.upkeep.tidying import keep_tidy

_HEALTH_EVERY_S = 1.0
_START_RETRY_S = 0.5

_slots = Reader(WorkerSlots)


class Orchestrator:
    """Owns the parts; `run` returns when everything held is settled or handed back."""

    def __init__(
        self, dependencies: Dependencies, tuning: OrchestratorSettings, lifecycle: Lifecycle
    ) -> None:
        metrics, keys, clock = lifecycle.metrics, tuning.effect_secret, dependencies.monotonic
        self._dependencies = dependencies
        self._lanes = tuning.lanes
        self._open_runs_max = tuning.tenant_open_runs_max
        self._lifecycle = lifecycle
        self._clock = DatabaseClock(clock)
        self._quarantine = Quarantine(dependencies.dead_letters, dependencies.bus, metrics)
        self._unreadable = UnreadableMessages(self._quarantine, clock, Isolation("unreadable", metrics))
        self._heartbeats = Heartbeats(dependencies.tasks, metrics)
        self._claims = Claims(dependencies.tasks, keys, metrics)
        self._templates = Templates(dependencies.templates, keys, metrics)
        self._registry = Registry(dependencies.upkeep, dependencies.streams, self._quarantine, metrics)
        self._retention = Retention(dependencies.retention, tuning.retention_days)
        self._releases = Releases(dependencies.tasks, dependencies.streams, dependencies.bus, clock, metrics)
        self._sweep = TaskSweep(dependencies.tasks, dependencies.streams, dependencies.bus, metrics)
        self._pump = self._make_pump(tuning)
        self._due = DueWork(dependencies.due, self._pump, self._clock, self._quarantine, metrics)
        self._dispatch = EventDispatch(
            dependencies.event_rows, self._pump, dependencies.event_publisher, self._quarantine, metrics
        )
        self._replays = Replays(dependencies.dead_letters, Isolation("replays", metrics), self._dispatch.hint)
        self._relay = LifecycleRelay(
            dependencies.history,
            dependencies.lifecycle,
            self._pump,
            self._clock,
            metrics,
            quarantine=self._quarantine,
            which=tuning.lifecycle_events,
        )
        self._schedules = ScheduleClock(
            dependencies.schedules, self._pump, self._quarantine, Isolation("schedules", metrics)
        )
        self._set_aside = SetAsideMessages(self._quarantine, dependencies.event_rows, clock, metrics)
        self._event_intake = EventIntake(
            dependencies.events,
            dependencies.event_rows,
            self._set_aside,
            Isolation("event-intake", metrics),
            self._dispatch.hint,
        )
        self._log = get_logger("orchestrator")

    def _make_pump(self, tuning: OrchestratorSettings) -> Pump:
        dependencies, metrics = self._dependencies, self._lifecycle.metrics
        keys = RunKeys(effects=tuning.effect_secret, handles=tuning.handle_secret)
        payloads = KnownPayloads(dependencies.payloads, dependencies.monotonic)
        for_transitions = TransitionDependencies(
            ledger=dependencies.ledger,
            engine=dependencies.engine,
            values=ValueReader(payloads),
            large=LargeValues(payloads),
            outbox=Outbox(dependencies.bus, metrics, self._releases.held),
            sends_at_once=self._releases.sends_at_once,
            clock=self._clock,
            metrics=metrics,
            spans=self._lifecycle.spans,
            timer_set=self._timer_set,
            emitted=lambda: self._dispatch.emitted(),  # noqa: PLW0108 (it is made later)
            woken=self._runs_woken,
            history_written=lambda: self._relay.hint(),  # noqa: PLW0108 (likewise)
            set_aside=self._quarantine.set_aside,
            slow_runs=SlowRuns(),
            usage=Usage(dependencies.monotonic.monotonic),
        )
        transitions = Transitions(
            for_transitions,
            keys=keys,
            record_inputs=tuning.record_inputs,
            bounds=Bounds.of(tuning),
        )
        return Pump(
            results=dependencies.results,
            triggers=dependencies.triggers,
            intake=Intake(
                keys=keys.effects,
                metrics=metrics,
                beat=self._heartbeats.beat,
                unreadable=self._unreadable.saw,
            ),
            transitions=transitions,
            metrics=metrics,
            batch_max=tuning.batch_max,
        )

    def _timer_set(self, fire_at_ms: int) -> None:
        self._due.timer_set(fire_at_ms)

    def _runs_woken(self, runs: list[UUID]) -> None:
        self._pump.put([RunMessages(run, has_waiting_rows=True) for run in runs])

    def _hear_of_slots(self, asked: WorkerRequest) -> None:
        """Called in the read loop. Every orchestrator hears every worker."""
        reported = _slots(asked.data)
        if isinstance(reported, Unreadable):
            self._lifecycle.metrics.messages_unreadable.labels("slots").inc()
            self._log.error("slots_unreadable", detail=reported.reason)
        else:
            self._releases.announced(reported.worker, reported.slots)

    async def run(self) -> None:
        """Orchestrate until the lifecycle stops."""
        dependencies, lifecycle = self._dependencies, self._lifecycle
        bus = dependencies.bus
        await self._hear_the_time()
        bus.on_reconnect(self._registry.heal_soon)
        await bus.subscribe(subjects.CONTROL_REGISTER_ALL, self._registry.receive, "orchestrator")
        await bus.subscribe(subjects.CONTROL_CLAIM_ALL, self._claims.receive, "orchestrator")
        await bus.subscribe(subjects.CONTROL_TEMPLATES, self._templates.receive, "orchestrator")
        await bus.subscribe(subjects.CONTROL_SLOTS, self._hear_of_slots)
        await bus.subscribe(subjects.CONTROL_EVENTS, lambda _: self._dispatch.hint())
        await bus.subscribe(subjects.CONTROL_REPLAYS, lambda _: self._replays.hint())
        async with asyncio.TaskGroup() as group:

            def begun(name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
                return group.create_task(kept_alive(name, work, lifecycle.metrics))

            aside = [begun(name, work) for name, work in self._background().items()]
            await dependencies.results.start()
            await dependencies.triggers.start()
            await dependencies.events.start()
            intake = begun("event-intake", self._event_intake.run)
            lanes = [begun("lane", lane) for lane in self._pump.lanes(self._lanes)]
            await lifecycle.stopping.wait()
            await dependencies.events.stop()
            await intake
            await dependencies.triggers.stop()
            await dependencies.results.stop()
            self._pump.stop()
            await asyncio.wait(lanes)
            self._pump.hand_back()
            for task in aside:
                task.cancel()

    def _background(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The loops beside the lanes; an error in one ends no other."""
        dependencies, metrics = self._dependencies, self._lifecycle.metrics
        clock, woken = dependencies.monotonic.monotonic, self._runs_woken
        return {
            "topology": self._registry.keep_healed,
            "registry": self._registry.serve,
            "claims": self._claims.run,
            "templates": self._templates.run,
            "heartbeats": self._heartbeats.run,
            "unreadable": self._unreadable.run,
            "task-sweep": self._sweep.run,
            "held-tasks": self._releases.find,
            "releases": self._releases.run,
            "levels": partial(
                report_levels,
                ledger=dependencies.levels,
                tasks=dependencies.tasks,
                streams=dependencies.streams,
                metrics=metrics,
                isolation=Isolation("levels", metrics),
                monotonic=clock,
            ),
            "timers": self._due.fire_timers,
            "due": self._due.sweep,
            "match-events": self._dispatch.keep_matching,
            "publish-events": self._dispatch.keep_publishing,
            "producers": ProducerShares(
                dependencies.produced, dependencies.event_rows, self._set_aside.filling, metrics
            ).run,
            "lifecycle": self._relay.run,
            **work(dependencies.endpoints, metrics),
            "schedules": self._schedules.run,
            "replays": self._replays.run,
            "many-replays": partial(keep_asking, dependencies.dead_letters, self._replays.hint, metrics),
            "flow": partial(keep_admitting, dependencies.flow, woken, Isolation("flow", metrics)),
            "descendants": partial(keep_cancelling, dependencies.families, woken, lambda: self._pump.started),
            "open-runs": partial(keep_counting, dependencies.families, self._open_runs_max, clock),
            "collected": CollectedSweep(dependencies.collected, self._quarantine, woken, metrics).run,
            **upkeep_work(dependencies.usage, dependencies.erasing, metrics),
            "health": self._watch_health,
            "upkeep": partial(
                keep_tidy,
                dependencies.upkeep,
                self._retention,
                Isolation("upkeep", metrics),
                schedule_fires=dependencies.schedules,
                **dependencies.aging,
                dead_letters=dependencies.dead_letters,
            ),
        }

    async def _hear_the_time(self) -> None:
        """Wait for the database's time: nothing can be decided without it."""
        while not self._lifecycle.stopping.is_set():
            try:
                self._clock.heard((await self._dependencies.due.next_timer()).now_ms)
            except Fault as fault:
                self._log.warning("database_awaited", detail=str(fault))
                await asyncio.sleep(_START_RETRY_S)
            else:
                return

    async def _watch_health(self) -> None:
        await self._registry.wait_healed()
        while True:
            try:
                await self._dependencies.due.next_timer()
                alive = True
            except Fault:
                alive = False
            self._lifecycle.ready("postgres", alive)
            self._lifecycle.ready("nats", self._dependencies.bus.connected)
            await asyncio.sleep(_HEALTH_EVERY_S)
