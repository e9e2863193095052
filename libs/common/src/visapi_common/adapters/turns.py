"""Waiting for a turn among tenants, where few may work at once: `core/fair_turns.py` for an event loop."""

import asyncio
from collections.abc import Callable

from visapi_common.core.bounds import Busy
from visapi_common.core.fair_turns import FairTurns, Refusal, TurnLimits


def _unseen(_waiting: int) -> None:
    """A number that nobody asked for."""


class Turns:
    """Whoever took a turn gives it back with `done`. `seen` is told how many wait whenever that changed."""

    def __init__(
        self, limits: TurnLimits, *, what: str, wait_s: float, seen: Callable[[int], None] = _unseen
    ) -> None:
        self._turns: FairTurns[asyncio.Future[None]] = FairTurns(limits)
        self._what = what
        self._wait_s = wait_s
        self._seen = seen

    @property
    def idle(self) -> bool:
        """Whether nobody works or waits."""
        return not (self._turns.running or self._turns.waiting)

    async def take(self, tenant: str, size: int = 0) -> None:
        """Wait for a turn. Raises `Busy` when too many wait, or when it did not come in time."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refusal = self._turns.put(tenant, turn, size)
        if refusal is not None:
            raise Busy(f"{refusal.value}; send it again later", own=refusal is Refusal.TENANT_FULL)
        self._next()
        try:
            async with asyncio.timeout(self._wait_s):
                await asyncio.shield(turn)
        except BaseException as gone:  # whoever waited is gone, cancelled or not: the turn must not be lost
            if turn.done():
                self._turns.done(tenant)
            else:
                self._turns.drop(tenant, lambda one: one is turn)
            self._next()
            if not isinstance(gone, TimeoutError):
                raise
            raise Busy(
                f"{self._what} was not begun within {self._wait_s:g} s; send it again later",
                own=self._turns.is_full(tenant),
            ) from gone

    def done(self, tenant: str) -> None:
        """A turn that was taken has ended."""
        self._turns.done(tenant)
        self._next()

    def _next(self) -> None:
        """Give the free places to whose turn it is."""
        while (turn := self._turns.take()) is not None:
            turn.set_result(None)
        self._seen(self._turns.waiting)
