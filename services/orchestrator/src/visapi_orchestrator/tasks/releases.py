"""Releases tasks of functions that serve all tenants, round-robin over tenants, into a bounded window.

A worker takes tasks in the order of the stream, so a tenant that comes later waits behind all tasks that lie
there; and a tenant may hold a share of the workers' slots only (`tasks.rules.shares`). Every task of such a
function is therefore committed as held. After the commit one orchestrator at a time counts, under a lock of
the function, what each tenant holds, and releases in turns what the window and the shares allow ("Turns among
tenants" in docs/explanation/delivery-protocol.md). So what two orchestrators count, or what is still being
committed, never adds up to more than a share. A tenant's own functions have a stream to themselves; their
tasks are sent after their commit.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from visapi_common.contracts import subjects
from visapi_common.core.clocks import MonotonicClock
from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_engine.compile.functions import WORKER_FUNCTIONS
from visapi_orchestrator.kernel.ports import Publisher
from visapi_orchestrator.kernel.rules.fair_queue import Window
from visapi_orchestrator.tasks.rules.pacing import Outcome, Pace
from visapi_orchestrator.tasks.rules.shares import Allotted, Slots, allot
from visapi_orchestrator.tasks.sending import send
from visapi_orchestrator.transitions.rules.open_tasks import StoredTask

_MANY: Final = 1000
_SLOTS_UNKNOWN: Final = 64
"""Slots of a function before any worker has announced how many it has."""
_FIND_S: Final = 1.0
"""How often the ledger is searched for held tasks of other orchestrators, or from before a restart."""

Decide = Callable[[Mapping[str, int], Mapping[str, int]], Mapping[str, int]]
"""From the held and the sent tasks of each tenant to how many of each are released."""


class HeldTasks(Protocol):
    """The rows of open tasks."""

    async def held_functions(self) -> list[str]: ...
    async def held_tenants(self, function: str, most: int) -> dict[str, int]: ...
    async def release(self, function: str, shares: Mapping[str, int]) -> list[StoredTask]: ...
    async def release_alone(self, function: str, most: int, decide: Decide) -> list[StoredTask] | None:
        """Count at most `most` held tasks of each tenant, decide and release in one transaction, in which no
        other process releases tasks of the function; None while another does.
        """
        ...


class QueuedTasks(Protocol):
    """The queue of the stream."""

    async def tasks_queued(self, function: str) -> int | None: ...


class SharedFunction:
    """The state of one function that serves all tenants."""

    def __init__(self) -> None:
        self.window = Window()
        self.slots = Slots(_SLOTS_UNKNOWN)
        self.last = ""
        """The tenant that was served last."""
        self.to_look = False
        """Tasks are held, or may be."""
        self.over_share: frozenset[str] = frozenset()
        """Tenants whose tasks were left because they hold their share."""
        self.pace = Pace()

    def waits(self, tenant: str) -> bool:
        """Whether a new task of the tenant waits for its turn, by the last look."""
        return self.window.holding or tenant in self.over_share


class Releases:
    """See the module's docstring. Each orchestrator has windows of its own onto the same stream."""

    def __init__(
        self,
        rows: HeldTasks,
        stream: QueuedTasks,
        publisher: Publisher,
        monotonic: MonotonicClock,
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
        """Record how many tasks of each function a worker executes at a time, as announced."""
        now_s = self._monotonic.monotonic()
        for function, number in slots.items():
            if subjects.family_of(function) in subjects.BUILTIN_FAMILIES:
                known = self._shared.setdefault(function, SharedFunction())
                known.slots.announced(worker, number, now_s)

    def sends_at_once(self, function: str) -> bool:
        """Whether tasks of a function are sent after their commit; the others are committed as held."""
        return function not in self._shared

    def held(self, function: str, tenant: str) -> None:
        """A held task was committed."""
        known = self._shared.get(function)
        if known is None:
            return
        known.to_look = True
        if known.waits(tenant):
            self._metrics.tasks_held.labels(function).inc()
        else:
            known.pace.woken = True
            self._wake.set()

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
            known.to_look = True
            self._wake.set()

    async def _pass_over(self, function: str, error: Exception) -> None:
        """Skip the function: its tasks stay in the ledger for the next round."""
        self._log.error("function_passed_over", function=function, detail=failure_text(error))

    async def run(self) -> None:
        """Release held tasks while there is room, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            for function, known in list(self._shared.items()):
                if known.to_look and known.pace.next_s <= loop.time():
                    known.pace.began(loop.time())
                    known.pace.ended(loop.time(), await self._try(function))
            looks = [known.pace.next_s for known in self._shared.values() if known.to_look]
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(looks, default=None)):
                    await self._wake.wait()

    async def _try(self, function: str) -> Outcome:
        """Release held tasks of a function. A failure delays no other one."""
        outcomes: list[Outcome] = []

        async def look(functions: Sequence[str]) -> None:
            outcomes.extend([await self._look(one) for one in functions])

        await self._isolation.each([function], look, self._pass_over)
        return outcomes[0] if outcomes else "left"

    async def _release_all(self, function: str) -> None:
        """Release all held tasks of a function that served all tenants in another release, and no longer
        does.
        """
        for tenant, number in (await self._rows.held_tenants(function, _MANY)).items():
            tasks = await self._rows.release(function, {tenant: number})
            send(self._publisher, subjects.task(tenant, function), tasks)

    async def _look(self, function: str) -> Outcome:
        known = self._shared[function]
        queued = await self._stream.tasks_queued(function)
        if queued is None:
            return "left"
        known.window.seen(queued)
        room = known.window.room
        if not room:
            return "left"
        slots = known.slots.total(self._monotonic.monotonic())
        allotted = Allotted({}, known.last, frozenset(), short=False)

        def decide(held: Mapping[str, int], sent: Mapping[str, int]) -> Mapping[str, int]:
            nonlocal allotted
            allotted = allot(held, sent, room=room, slots=slots, last=known.last)
            return allotted.given

        # Later commits notify again, so their tasks are found by the next look.
        known.to_look = False
        try:
            tasks = await self._rows.release_alone(function, room + 1, decide)
        except (
            BaseException
        ):  # failed or cancelled: the tasks are still held, so that they are looked for again
            known.to_look = True
            raise
        if tasks is None:
            known.to_look = True
            return "taken"
        send(self._publisher, subjects.task(subjects.BUILTIN, function), tasks)
        known.last, known.over_share = allotted.last, allotted.over_share
        known.window.released(len(tasks), short=allotted.short)
        known.to_look = known.to_look or not allotted.all_given
        self._metrics.tasks_published.labels(function).inc(len(tasks))
        return "released" if tasks else "left"
