"""Clocks and ids of tests, and an event loop in which sleeping takes no time."""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from visapi_common.core.clocks import Clock
from visapi_common.core.ids import Ids, uuid7_from

NOON_MS = 1_767_268_800_000
"""2026-01-01, 12:00 UTC."""


class FakeClock(Clock):
    """Stands still until a test moves it; the time of day and the monotonic time move together."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(NOON_MS / 1000 + self.now_s - 1000.0, UTC)

    def monotonic(self) -> float:
        return self.now_s


class CountingIds(Ids):
    """Ids of consecutive milliseconds, so each is larger than the one before."""

    def __init__(self, first_ms: int = NOON_MS) -> None:
        self._first_ms = first_ms
        self._made = 0

    def uuid7(self) -> UUID:
        self._made += 1
        return uuid7_from(self._first_ms + self._made, self._made << 20)


class _NoWait(selectors.DefaultSelector):
    """Never waits for a timer: the time passes at once."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            # No timer: only another thread can go on.
            return super().select(None)
        found = super().select(0)
        if not found:
            self.passed_s += timeout
        return found


class TravellingLoop(asyncio.SelectorEventLoop):
    """Its clock jumps to the next timer as soon as there is nothing else to do."""

    def __init__(self) -> None:
        self._no_wait = _NoWait()
        super().__init__(self._no_wait)

    def time(self) -> float:
        return self._no_wait.passed_s


def in_no_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in a `TravellingLoop`."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=TravellingLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


async def running_for(seconds: float, *loops: Awaitable[None]) -> None:
    """Run endless loops for so long, in the time of the event loop."""
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    done, _ = await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
