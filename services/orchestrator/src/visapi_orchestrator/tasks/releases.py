"""Releases tasks of functions that serve all tenants, round-robin over tenants, into a bounded window.

A worker takes tasks in the order of the stream, so a tenant that comes later waits behind all tasks that lie
there. While the stream has enough tasks of a function, further ones are committed as held; they are released
as workers take the others, one tenant after the other ("Turns among tenants" in
docs/explanation/delivery-protocol.md). Tasks of a tenant that holds its share of the workers' slots are held
likewise (`tasks.rules.shares`). A tenant's own functions have a stream to themselves; their tasks are sent at
once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from visapi_common.contracts import subjects
from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_engine.compile.functions import WORKER_FUNCTIONS
from visapi_orchestrator.kernel.ports import Monotonic, Publisher
from visapi_orchestrator.kernel.rules.fair_queue import Window
from visapi_orchestrator.tasks.rules.shares import Shares, Slots, allot
from visapi_orchestrator.tasks.sending import send
from visapi_orchestrator.transitions.rules.open_tasks import StoredTask

_LOOK_S: Final = 0.03
_SLOW_S: Final = 0.25
_MANY: Final = 1000
_SLOTS_UNKNOWN: Final = 64
"""Slots of a function before any worker has announced how many it has."""
_FIND_S: Final = 1.0
"""How often the ledger is searched for held tasks of other orchestrators, or from before a restart."""


class HeldTasks(Protocol):
    """The rows of open tasks."""

    async def held_functions(self) -> list[str]: ...
    async def held_tenants(self, function: str, most: int) -> dict[str, int]: ...
    async def sent_tenants(self, function: str) -> dict[str, int]: ...
    async def release(self, function: str, shares: Mapping[str, int]) -> list[StoredTask]: ...


class QueuedTasks(Protocol):
    """The queue of the stream."""

    async def tasks_queued(self, function: str) -> int | None: ...


class SharedFunction:
    """The state of one function that serves all tenants."""

    def __init__(self) -> None:
        self.window = Window()
        self.shares = Shares()
        self.slots = Slots(_SLOTS_UNKNOWN)
        self.last = ""
        """The tenant that was served last."""

    @property
    def to_look(self) -> bool:
        return self.window.to_look or self.shares.holding


class Releases:
    """See the module's docstring. Each orchestrator has windows of its own onto the same stream."""

    def __init__(
        self,
        rows: HeldTasks,
        stream: QueuedTasks,
        publisher: Publisher,
        monotonic: Monotonic,
        metrics: Metrics,
    ) -> None:
        self._rows = rows
        self._stream = stream
        self._publisher = publisher
        self._monotonic = monotonic
        self._metrics = metrics
        self._shared = {function: SharedFunction() for function in WORKER_FUNCTIONS}
        self._wake = asyncio.Event()
        self._isolation = Isolation("releases", metrics)
        self._log = get_logger("releases")

    def announced(self, worker: str, slots: Mapping[str, int]) -> None:
        """A worker announced how many tasks of each function it executes at once."""
        now_s = self._monotonic.monotonic()
        for function, number in slots.items():
            if subjects.family_of(function) in subjects.BUILTIN_FAMILIES:
                known = self._shared.setdefault(function, SharedFunction())
                known.slots.announced(worker, number, now_s)

    def admit(self, function: str, tenant: str) -> bool:
        """Whether a task that is about to be committed may be sent at once."""
        known = self._shared.get(function)
        if known is None:
            return True
        admitted = known.shares.admit(tenant, self._slots(known)) and known.window.admit()
        if not admitted:
            self._metrics.tasks_held.labels(function).inc()
        if known.to_look:
            self._wake.set()
        return admitted

    def _slots(self, known: SharedFunction) -> int:
        return known.slots.total(self._monotonic.monotonic())

    async def find(self) -> None:
        """Search the ledger for held tasks that this process does not know, until cancelled."""
        while True:
            try:
                held = await self._rows.held_functions()
                await self._isolation.each(held, self._take_up, self._pass_over)
            except Fault as fault:
                self._isolation.note(fault)
            await asyncio.sleep(_FIND_S)

    async def _take_up(self, functions: Sequence[str]) -> None:
        for function in functions:
            known = self._shared.get(function)
            if known is None:
                await self._release_all(function)
                continue
            for tenant in await self._rows.held_tenants(function, 1):
                known.shares.hold(tenant)
            self._wake.set()

    async def _pass_over(self, function: str, error: Exception) -> None:
        """Skip the function: its tasks stay in the ledger for the next round."""
        self._log.error("function_passed_over", function=function, detail=failure_text(error))

    async def run(self) -> None:
        """Release held tasks while there is room, until cancelled."""
        pause_s = _LOOK_S
        while True:
            self._wake.clear()
            waiting = [function for function, known in self._shared.items() if known.to_look]
            if not waiting:
                await self._wake.wait()
                continue
            moved = [await self._try(function) for function in waiting]
            pause_s = _LOOK_S if any(moved) else min(_SLOW_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    async def _try(self, function: str) -> bool:
        """Release held tasks of all functions; True where any was released. A failure delays no other
        function.
        """
        moved: list[bool] = []

        async def look(functions: Sequence[str]) -> None:
            moved.extend([await self._look(one) for one in functions])

        await self._isolation.each([function], look, self._pass_over)
        return any(moved)

    async def _release_all(self, function: str) -> None:
        """Release all held tasks of a function that served all tenants in another release, and no longer
        does.
        """
        for tenant, number in (await self._rows.held_tenants(function, _MANY)).items():
            tasks = await self._rows.release(function, {tenant: number})
            send(self._publisher, subjects.task(tenant, function), tasks)

    async def _look(self, function: str) -> bool:
        known = self._shared[function]
        window, shares = known.window, known.shares
        queued = await self._stream.tasks_queued(function)
        if queued is None:
            return False
        window.seen(queued)
        shares.counted(await self._rows.sent_tenants(function))
        if not window.room or not (window.holding or shares.holding):
            return not window.holding
        room = window.room
        held = await self._rows.held_tenants(function, room)
        given, known.last = allot(held, room, known.last, shares, self._slots(known))
        left = {tenant: number - given.get(tenant, 0) for tenant, number in held.items()}
        shares.looked(left)
        if sum(given.values()) < room:
            # The remaining tasks wait for slots of their own tenants: other tasks need not be held.
            window.found_none()
        if not given:
            return not held
        tasks = await self._rows.release(function, given)
        send(self._publisher, subjects.task(subjects.BUILTIN, function), tasks)
        window.released(len(tasks))
        self._metrics.tasks_published.labels(function).inc(len(tasks))
        return True
