"""What transitions work with, as one value that wiring makes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.spans import Spans
from visapi_orchestrator.dead_letters.rules.letters import Letter
from visapi_orchestrator.kernel.database_clock import DatabaseClock
from visapi_orchestrator.transitions.apart import Apart
from visapi_orchestrator.transitions.large_values import LargeValues
from visapi_orchestrator.transitions.ports import Engine, Ledger, Outbox
from visapi_orchestrator.transitions.values import ValueReader


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What transitions work with. `admit` says whether a task of a function may be sent at once for a tenant.
    `timer_set` hears the earliest timer that a batch has set, `emitted` that it brought events into the
    world, `told` that it has written history, `woken` which runs may begin. `set_aside`
    keeps a run that cannot be ended. What others must not wait behind goes `apart`.
    """

    ledger: Ledger
    engine: Engine
    values: ValueReader
    large: LargeValues
    outbox: Outbox
    admit: Callable[[str, str], bool]
    clock: DatabaseClock
    metrics: Metrics
    spans: Spans
    timer_set: Callable[[int], None]
    emitted: Callable[[], None]
    woken: Callable[[list[UUID]], None]
    told: Callable[[], None]
    set_aside: Callable[[Letter], Awaitable[None]]
    apart: Apart


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How deep runs may be nested, and how many items the history of one may have."""

    depth_max: int
    history_max: int
