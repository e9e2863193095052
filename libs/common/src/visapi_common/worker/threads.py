"""Threads for the plain functions of a worker, one slot for each concurrent task.

A task takes a slot before its claim and before its timeout starts. A function that exceeds its timeout keeps
its thread, and therefore its slot, until it returns.
"""

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any


class FreeThread:
    """A thread that is free for one task."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.running: Future[Any] | None = None

    async def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Run the function now. Cancelling does not end it."""
        context = contextvars.copy_context()
        self.running = self._pool.submit(context.run, call, *arguments)
        return await asyncio.wrap_future(self.running)


class Threads:
    """The threads of one function."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._pool: ThreadPoolExecutor | None = None
        self._free = asyncio.Semaphore(size)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[FreeThread]:
        """Wait until a thread is free, and hold it."""
        await self._free.acquire()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._size, thread_name_prefix=self._name)
        place = FreeThread(self._pool)
        try:
            yield place
        finally:
            running = place.running
            if running is None or running.done():
                self._free.release()
            else:
                running.add_done_callback(self._released_by(asyncio.get_running_loop()))

    def _released_by(self, loop: asyncio.AbstractEventLoop) -> Callable[[Future[Any]], None]:
        def ended(_: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._free.release)

        return ended
