"""An event loop in a thread of its own: load goes on while the main thread starts and stops processes.

Processes are started in the main thread, because the kernel ends a child when the thread that forked it ends.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

_LIMIT_S = 600.0

T = TypeVar("T")


class Background:
    """A context manager; `run` waits for a coroutine, `begin` does not."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T], *, limit_s: float = _LIMIT_S) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit_s)
