"""The dependencies of transitions, made by the wiring."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from visapi_common.core.keyrings import Key, Keyring
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.spans import Spans
from visapi_engine.machine.collections import COUNT_MAX
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.database_clock import DatabaseClock
from visapi_orchestrator.kernel.rules.usage import Usage
from visapi_orchestrator.settings import OrchestratorSettings
from visapi_orchestrator.transitions.large_values import LargeValues
from visapi_orchestrator.transitions.ports import Engine, Ledger, Outbox
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot
from visapi_orchestrator.transitions.slow_runs import SlowRuns
from visapi_orchestrator.transitions.values import ValueReader


@dataclass(frozen=True, kw_only=True)
class TransitionDependencies:
    """The dependencies of transitions. `sends_at_once` says whether tasks of a function are sent after their
    commit. After a commit `timer_set` is called with the earliest timer that the batch has set, `emitted`
    when it emitted events, `history_written` when it wrote history, and `woken` with the runs that may begin.
    `set_aside` keeps a run that cannot be ended. Runs that take long go to `slow_runs`; `usage` is
    told whose runs are advanced.
    """

    ledger: Ledger
    engine: Engine
    values: ValueReader
    large: LargeValues
    outbox: Outbox
    sends_at_once: Callable[[str], bool]
    clock: DatabaseClock
    metrics: Metrics
    spans: Spans
    timer_set: Callable[[int], None]
    emitted: Callable[[], None]
    woken: Callable[[list[UUID]], None]
    history_written: Callable[[], None]
    set_aside: Callable[[DeadLetterEntry], Awaitable[None]]
    slow_runs: SlowRuns
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class RunKeys:
    """The keys that a run keeps from its creation to its end. The system's own runs, which listen for years,
    do nothing outside and take any key.
    """

    effects: Keyring
    handles: Keyring

    def has(self, snapshot: RunSnapshot) -> bool:
        """Whether the keys of this run are here."""
        moment = snapshot.created_at
        return snapshot.quiet or None not in (self.effects.then(moment), self.handles.then(moment))

    def effect(self, snapshot: RunSnapshot) -> Key:
        return self.effects.at(snapshot.created_at)

    def handle(self, snapshot: RunSnapshot) -> Key:
        return self.handles.at(snapshot.created_at)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How deep runs may be nested, how many items the history of one may have, and for how many correlations
    one schedule may collect events.
    """

    depth_max: int
    history_max: int
    collections_max: int = COUNT_MAX

    @classmethod
    def of(cls, settings: OrchestratorSettings) -> "Bounds":
        return cls(
            depth_max=settings.family_depth_max,
            history_max=settings.history_items_max,
            collections_max=settings.schedule_correlations_max,
        )
