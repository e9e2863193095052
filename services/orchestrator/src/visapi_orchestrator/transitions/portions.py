"""Writes a batch in portions: early answers first, slow answers later.

A run that kills its engine process, or whose values are large, takes seconds; the other runs of the batch
wait at most `PATIENCE_S` for it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from visapi_orchestrator.kernel.rules.messages import RunMessages

PATIENCE_S = 0.05
_AT_ONCE = 16
"""Items that are settled before others have their turn in the event loop."""

T = TypeVar("T")


async def portions(
    source: AsyncIterator[T], *, alone: bool = False, patience_s: float = PATIENCE_S
) -> AsyncGenerator[list[T], None]:
    """The items of the source in portions: all at once where the source is quick, else the items of each
    `patience_s`. Reading goes on while a portion is written. Raises what the source raises. A run that is
    `alone` delays no other run, so its portion is not cut short.
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


async def with_pauses(items: Sequence[T]) -> AsyncGenerator[T, None]:
    """The items; between them others have their turn, because to settle a batch takes milliseconds."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)


class PendingRuns:
    """The runs of a batch that are not settled yet. `free` is called with settled runs: other messages for
    them may be processed.
    """

    def __init__(self, batch: Sequence[RunMessages], free: Callable[[Sequence[RunMessages]], None]) -> None:
        self._runs: dict[UUID, RunMessages] = {messages.run: messages for messages in batch}
        self._free = free

    def settle(self, portion: Sequence[RunMessages], again: Sequence[RunMessages]) -> None:
        """A portion was written, except the runs that must be advanced again."""
        left = {messages.run for messages in again}
        done = [
            messages
            for messages in portion
            if messages.run not in left and self._runs.pop(messages.run, None)
        ]
        if done and self._runs:
            self._free(done)

    def of(self, batch: Sequence[RunMessages]) -> list[RunMessages]:
        """The runs of a batch that are not settled."""
        return [messages for messages in batch if messages.run in self._runs]
