"""Group commit: one statement writes all items that wait; items that arrive meanwhile form the next batch.

A batch never waits to fill. Items with the same key never share a batch, because one statement must not
name a row twice. A batch that fails for its contents is halved until the failing item is alone; no failure
of a batch ends the loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from visapi_common.core.errors import ContentFault, Fault
from visapi_common.core.failures import fault_of, sort_of

I = TypeVar("I")  # noqa: E741 (item)
O = TypeVar("O")  # noqa: E741 (outcome)

BATCH_MAX = 256


@dataclass(slots=True)
class _Waiting(Generic[I, O]):
    item: I
    answer: "asyncio.Future[O]"


class GroupCommit(Generic[I, O]):
    """Collects items and writes them together; each caller gets its own answer."""

    def __init__(self, write: Callable[[Mapping[str, I]], Awaitable[Mapping[str, O]]]) -> None:
        self._write = write
        self._waiting: list[tuple[str, _Waiting[I, O]]] = []
        self._arrived = asyncio.Event()

    async def submit(self, key: str, item: I) -> O:
        """The answer to `item` once it is committed. Raises the item's own `ContentFault`, or the fault that
        kept its whole batch from being committed.
        """
        waiting = _Waiting[I, O](item, asyncio.get_running_loop().create_future())
        self._waiting.append((key, waiting))
        self._arrived.set()
        return await waiting.answer

    async def run(self) -> None:
        """Write batches until cancelled."""
        while True:
            await self._arrived.wait()
            batch = self._take()
            try:
                await self._commit(batch)
            except BaseException:
                # Cancellation included: no caller may wait for ever for a batch that is lost.
                for waiting in batch.values():
                    waiting.answer.cancel()
                raise

    def _take(self) -> dict[str, _Waiting[I, O]]:
        batch: dict[str, _Waiting[I, O]] = {}
        later: list[tuple[str, _Waiting[I, O]]] = []
        for key, waiting in self._waiting:
            if waiting.answer.done():
                continue
            if key in batch or len(batch) >= BATCH_MAX:
                later.append((key, waiting))
            else:
                batch[key] = waiting
        self._waiting = later
        if not later:
            self._arrived.clear()
        return batch

    async def _commit(self, batch: dict[str, _Waiting[I, O]]) -> None:
        if not batch:
            return
        try:
            answers = await self._write({key: waiting.item for key, waiting in batch.items()})
        except Exception as error:  # noqa: BLE001 (whatever items provoke is told to those who wait for them)
            if len(batch) > 1 and sort_of(error) == "contents":
                for half in _halves(batch):
                    await self._commit(half)
            else:
                _fail(batch, error)
        else:
            for key, waiting in batch.items():
                if key not in answers:
                    _fail({key: waiting}, ContentFault("the statement answered nothing for it"))
                elif not waiting.answer.done():
                    waiting.answer.set_result(answers[key])


def _halves(batch: Mapping[str, _Waiting[I, O]]) -> Sequence[dict[str, _Waiting[I, O]]]:
    items, half = list(batch.items()), len(batch) // 2
    return dict(items[:half]), dict(items[half:])


def _fail(batch: Mapping[str, _Waiting[I, O]], error: Exception) -> None:
    fault: Fault = fault_of(error)
    for waiting in batch.values():
        if not waiting.answer.done():
            waiting.answer.set_exception(fault)
