"""Releases tasks of functions that serve all tenants, in turns among those, into a bounded window.

A worker takes tasks in the order in which they lie in the stream, so a tenant that comes later waits
behind all that lies there. While enough of a function lie there, tasks are committed held back; they are
released as workers take the others, one tenant after the other (DESIGN 3.10). A tenant's own functions
have a stream to themselves and are sent at once.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from visapi_common.contracts import subjects
from visapi_common.core.errors import Fault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.app.sending import Publisher, send
from visapi_orchestrator.core.open_tasks import StoredTask
from visapi_orchestrator.core.turns import Window, allot

_LOOK_S: Final = 0.03
_SLOW_S: Final = 0.25
_MANY: Final = 1000
_FIND_S: Final = 1.0
"""How often held tasks are looked for that another orchestrator left, or this one before it was restarted."""


class HeldTasks(Protocol):
    """The rows of open tasks."""

    async def held_functions(self) -> list[str]: ...
    async def held_tenants(self, function: str, most: int) -> dict[str, int]: ...
    async def release(self, function: str, shares: Mapping[str, int]) -> list[StoredTask]: ...


class LyingTasks(Protocol):
    """What lies in the stream."""

    async def tasks_lying(self, function: str) -> int | None: ...


class Releases:
    """See the module's docstring. Each orchestrator has windows of its own onto the same stream."""

    def __init__(self, rows: HeldTasks, stream: LyingTasks, publisher: Publisher, metrics: Metrics) -> None:
        self._rows = rows
        self._stream = stream
        self._publisher = publisher
        self._metrics = metrics
        self._windows: dict[str, Window] = {function: Window() for function in subjects.BUILTIN_FUNCTIONS}
        self._last: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._log = get_logger("releases")

    def admit(self, function: str) -> bool:
        """Whether a task that is about to be committed may be sent at once."""
        window = self._windows.get(function)
        if window is None:
            return True
        admitted = window.admit()
        if not admitted:
            self._metrics.tasks_held.labels(function).inc()
        if window.to_look:
            self._wake.set()
        return admitted

    async def find(self) -> None:
        """Look for tasks that nobody here knows to be held back, until cancelled."""
        while True:
            try:
                for function in await self._rows.held_functions():
                    if function in self._windows:
                        self._windows[function].hold()
                        self._wake.set()
                    else:
                        await self._release_all(function)
            except Fault as fault:
                self._log.warning("held_tasks_not_found", detail=str(fault))
            await asyncio.sleep(_FIND_S)

    async def run(self) -> None:
        """Release what there is room for, until cancelled."""
        pause_s = _LOOK_S
        while True:
            self._wake.clear()
            waiting = [function for function, window in self._windows.items() if window.to_look]
            if not waiting:
                await self._wake.wait()
                continue
            moved = [await self._try(function) for function in waiting]
            pause_s = _LOOK_S if any(moved) else min(_SLOW_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    async def _try(self, function: str) -> bool:
        """Whether anything moved. What cannot be released now does not keep other functions waiting."""
        try:
            return await self._look(function)
        except Fault as fault:
            self._log.warning("tasks_not_released", function=function, detail=str(fault))
            return False

    async def _release_all(self, function: str) -> None:
        """Of a function that served all tenants in another release."""
        for tenant, number in (await self._rows.held_tenants(function, _MANY)).items():
            tasks = await self._rows.release(function, {tenant: number})
            send(self._publisher, subjects.task(tenant, function), tasks)

    async def _look(self, function: str) -> bool:
        window = self._windows[function]
        lying = await self._stream.tasks_lying(function)
        if lying is None:
            return False
        room = window.seen(lying)
        if not room:
            return not window.holding
        held = await self._rows.held_tenants(function, room)
        if not held:
            window.found_none()
            return True
        shares, self._last[function] = allot(held, room, self._last.get(function, ""))
        tasks = await self._rows.release(function, shares)
        send(self._publisher, subjects.task(subjects.BUILTIN, function), tasks)
        window.released(len(tasks))
        self._metrics.tasks_published.labels(function).inc(len(tasks))
        return True
