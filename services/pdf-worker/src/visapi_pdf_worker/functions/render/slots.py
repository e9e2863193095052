"""Slots in the browser, shared fairly among tenants and not occupied by slow documents.

Two documents at once are fastest on two cores. Where one tenant holds all places, a document of another
tenant is given one more at once, so nobody waits for documents of one other tenant. A document that still
prints after `_SLOW_S` seconds no longer counts, so its place goes to the next document; but a tenant may
have no more documents at once than there are places, slow ones included. So tenants whose documents never
end delay documents of others by `_SLOW_S` at most.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from visapi_common.core.errors import TransientFault
from visapi_common.core.fair_job_queue import FairJobQueue, JobQueueLimits

_SLOW_S = 0.5
"""More than an ordinary document takes; what hostile ones cost the documents of others at most."""
_MOST = 4
"""Documents in the browser, slow ones included, as a multiple of the places."""
_WAITING = 10_000
"""More than a worker ever pulls: what waits here is bounded by the worker's slots."""


class PrintingSlots:
    """`at_once` places, or one more for a tenant that would wait for one other tenant alone.

    `most` bounds all documents under way, `slow_s` is for tests.
    """

    def __init__(self, at_once: int, *, most: int | None = None, slow_s: float = _SLOW_S) -> None:
        self._at_once = at_once
        self._slow_s = slow_s
        limits = JobQueueLimits(
            at_once=most or at_once * _MOST,
            per_tenant=at_once,
            waiting=_WAITING,
            waiting_per_tenant=_WAITING,
            bytes_waiting=_WAITING,
        )
        self._turns: FairJobQueue[asyncio.Future[None]] = FairJobQueue(limits)
        self._tenants: dict[asyncio.Future[None], str] = {}
        self._quick: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def place(self, tenant: str) -> AsyncGenerator[None]:
        """Hold a place while the body prints."""
        turn = asyncio.get_running_loop().create_future()
        if self._turns.put(tenant, turn, 1) is not None:
            raise TransientFault("too many documents wait for the browser")
        self._tenants[turn] = tenant
        self._give()
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._quick:
                self._free(turn)
            else:
                self._turns.drop(tenant, lambda one: one is turn)
                del self._tenants[turn]
            raise
        slow = asyncio.get_running_loop().call_later(self._slow_s, self._becomes_slow, turn)
        try:
            yield
        finally:
            slow.cancel()
            self._free(turn)

    def _give(self) -> None:
        while (turn := self._next()) is not None:
            self._quick.add(turn)
            with suppress(asyncio.InvalidStateError):
                turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        if len(self._quick) < self._at_once:
            return self._turns.take()
        holders = {self._tenants[turn] for turn in self._quick}
        return self._turns.take(other_than=holders.pop()) if len(holders) == 1 else None

    def _becomes_slow(self, turn: asyncio.Future[None]) -> None:
        self._quick.discard(turn)
        self._give()

    def _free(self, turn: asyncio.Future[None]) -> None:
        self._quick.discard(turn)
        self._turns.done(self._tenants.pop(turn))
        self._give()
