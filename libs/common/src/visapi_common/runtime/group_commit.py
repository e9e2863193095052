"""Group commit: one statement writes all items that wait; items that arrive meanwhile form the next batch.

A batch never waits to fill, so batches grow with the load and are single rows without load. Items with the
same key never share a batch, because one statement must not name a row twice. A batch that fails because of
its contents is halved until the failing item is alone. No failure of a batch ends the loop. A group is
written by `run`, which waits for items, or by `drain`, which ends when nothing waits.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from visapi_common.core.errors import ContentFault, Fault, TransientFault
from visapi_common.core.failures import failure_kind, fault_of

K = TypeVar("K", bound=Hashable)
I = TypeVar("I")  # noqa: E741 (item)
O = TypeVar("O")  # noqa: E741 (outcome)

BATCH_MAX = 256
WAITING_MAX = 8192
"""Beyond this many waiting items (about two seconds of work) new items are refused."""

Answer = asyncio.Future[O]
_Batch = dict[K, tuple[I, Answer[O]]]


class GroupCommit(Generic[K, I, O]):
    """Collects items and writes them together; each caller gets the outcome of its own item.

    `write` commits a batch and answers an outcome or a fault for each key. `lanes` batches are written at
    once. The items of a batch weigh at most `weight_max` together; an item that weighs more is written alone.
    """

    def __init__(
        self,
        write: Callable[[Mapping[K, I]], Awaitable[Mapping[K, O | Fault]]],
        *,
        lanes: int = 1,
        weigh: Callable[[I], int] = lambda _: 1,
        weight_max: int = BATCH_MAX,
    ) -> None:
        self._write = write
        self._lanes = lanes
        self._weigh = weigh
        self._weight_max = weight_max
        self._waiting: deque[tuple[K, I, Answer[O]]] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    async def submit(self, key: K, item: I) -> O:
        """Return the outcome of `item` once it is committed. Raises the item's own fault, the fault that kept
        its whole batch from being committed, or `TransientFault` where no more items may wait.
        """
        if self._closed or len(self._waiting) >= WAITING_MAX:
            raise TransientFault("too many writes wait for PostgreSQL; try again later", retry_after_s=1.0)
        answer: asyncio.Future[O] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, item, answer))
        self._wake.set()
        return await answer

    def close(self) -> None:
        """Refuse new items; `run` returns when the waiting ones are written."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Write batches until `close` or cancellation. Items that are not written by then are cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._lanes):
                    group.create_task(self._serve_lane())
        finally:
            self._closed = True
            _cancel(answer for _, _, answer in self._waiting)

    async def drain(self) -> None:
        """Write batches until nothing waits. Where that is cancelled, so are the items that wait."""
        try:
            while self._waiting:
                await self._write_next()
        finally:
            _cancel(answer for _, _, answer in self._waiting)

    async def _serve_lane(self) -> None:
        while True:
            await self._wake.wait()
            if not self._waiting and self._closed:
                return
            await self._write_next()

    async def _write_next(self) -> None:
        batch = self._take()
        try:
            await self._commit(batch)
        finally:
            _cancel(answer for _, answer in batch.values())

    def _take(self) -> _Batch[K, I, O]:
        batch: _Batch[K, I, O] = {}
        later: list[tuple[K, I, Answer[O]]] = []
        room = self._weight_max
        while self._waiting and room > 0:
            key, item, answer = waiting = self._waiting.popleft()
            if answer.done():
                continue
            weight = self._weigh(item)
            if batch and weight > room:
                later.append(waiting)
                break
            entry = (item, answer)
            if batch.setdefault(key, entry) is not entry:
                later.append(waiting)
            else:
                room -= weight
        self._waiting.extendleft(reversed(later))
        if not self._waiting and not self._closed:
            self._wake.clear()
        return batch

    async def _commit(self, batch: _Batch[K, I, O]) -> None:
        if not batch:
            return
        try:
            outcomes = await self._write({key: item for key, (item, _) in batch.items()})
        except Exception as error:  # noqa: BLE001 (the callers who wait for the batch get every failure)
            if len(batch) > 1 and failure_kind(error) == "contents":
                items, half = list(batch.items()), len(batch) // 2
                await self._commit(dict(items[:half]))
                await self._commit(dict(items[half:]))
                return
            outcomes = dict.fromkeys(batch, fault_of(error))
        missing = ContentFault("the statement returned no outcome for this item")
        for key, (_, answer) in batch.items():
            if answer.done():
                continue
            outcome = outcomes.get(key, missing)
            if isinstance(outcome, Fault):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)


def _cancel(answers: "Iterable[asyncio.Future[O]]") -> None:
    """Cancel answers that nobody will set any more, so that no caller waits for ever."""
    for answer in answers:
        answer.cancel()
