"""A semaphore that serves tenants round-robin: `core/fair_job_queue.py` for an event loop."""

import asyncio
from collections.abc import Callable

from visapi_common.core.bounds import Busy
from visapi_common.core.fair_job_queue import FairJobQueue, JobQueueLimits, Refusal


def _unseen(_waiting: int) -> None:
    """Ignore the number of waiters."""


class FairSemaphore:
    """Each `acquire` needs a `release`. `seen` is called with the number of waiters whenever it changes."""

    def __init__(
        self, limits: JobQueueLimits, *, what: str, wait_s: float, seen: Callable[[int], None] = _unseen
    ) -> None:
        self._queue: FairJobQueue[asyncio.Future[None]] = FairJobQueue(limits)
        self._what = what
        self._wait_s = wait_s
        self._seen = seen

    @property
    def idle(self) -> bool:
        """Whether nothing is held and nobody waits."""
        return not (self._queue.running or self._queue.waiting)

    async def acquire(self, tenant: str, size: int = 0) -> None:
        """Wait for a slot. Raises `Busy` when too many wait, or at the time limit."""
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refusal = self._queue.put(tenant, slot, size)
        if refusal is not None:
            raise Busy(f"{refusal.value}; send it again later", own=refusal is Refusal.TENANT_FULL)
        self._next()
        try:
            async with asyncio.timeout(self._wait_s):
                await asyncio.shield(slot)
        except BaseException as gone:  # the waiter is gone, cancelled or not: its slot must not be lost
            if slot.done():
                self._queue.done(tenant)
            else:
                self._queue.drop(tenant, lambda one: one is slot)
            self._next()
            if not isinstance(gone, TimeoutError):
                raise
            raise Busy(
                f"{self._what} was not begun within {self._wait_s:g} s; send it again later",
                own=self._queue.is_full(tenant),
            ) from gone

    def release(self, tenant: str) -> None:
        """Give a slot back."""
        self._queue.done(tenant)
        self._next()

    def _next(self) -> None:
        """Hand free slots to the next waiters."""
        while (slot := self._queue.take()) is not None:
            slot.set_result(None)
        self._seen(self._queue.waiting)
