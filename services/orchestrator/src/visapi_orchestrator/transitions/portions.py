"""A batch whose answers come at different times: what is there is written, what is slow follows by itself.

A run that ends its engine process, or whose values are large, takes seconds; its neighbours in the batch wait
for it no longer than `PATIENCE_S`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from visapi_orchestrator.kernel.rules.messages import RunMessages

PATIENCE_S = 0.05

T = TypeVar("T")


async def portions(
    source: AsyncIterator[T], *, alone: bool = False, patience_s: float = PATIENCE_S
) -> AsyncGenerator[list[T], None]:
    """What the source gives, all at once where it is quick, else what came within each `patience_s`.

    It is read on while a portion is worked on. Raises what the source raises. A run that is `alone` keeps no
    neighbour waiting, however long it takes.
    """
    if alone:
        yield [one async for one in source]
        return
    ready: list[T] = []

    async def read() -> None:
        async for one in source:
            ready.append(one)  # noqa: PERF401 (what is there is taken out meanwhile)

    reading = asyncio.create_task(read())
    try:
        while not reading.done():
            await asyncio.wait([reading], timeout=patience_s)
            if reading.done():
                break
            if ready:
                portion = ready[:]
                ready.clear()
                yield portion
        reading.result()
        if ready:
            yield ready
    finally:
        if not reading.done():
            reading.cancel()
            await asyncio.wait([reading])


class PendingRuns:
    """The runs of a batch that are not settled yet. `free` hears of each part that is: other work for these
    runs may go on.
    """

    def __init__(self, batch: Sequence[RunMessages], free: Callable[[Sequence[RunMessages]], None]) -> None:
        self._runs: dict[UUID, RunMessages] = {messages.run: messages for messages in batch}
        self._free = free

    def settle(self, portion: Sequence[RunMessages], again: Sequence[RunMessages]) -> None:
        """A portion was written but for the runs that must be folded again."""
        left = {messages.run for messages in again}
        done = [
            messages
            for messages in portion
            if messages.run not in left and self._runs.pop(messages.run, None)
        ]
        if done and self._runs:
            self._free(done)

    def of(self, batch: Sequence[RunMessages]) -> list[RunMessages]:
        """Those of a batch that are not settled."""
        return [messages for messages in batch if messages.run in self._runs]
