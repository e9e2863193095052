"""The connections to PostgreSQL, shared fairly among tenants.

A plain pool serves requests in order, so the reads of a tenant with a thousand followers would delay all
other tenants. Here a tenant waits for at most one read of each other tenant, and some connections are kept
that no single tenant may take.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.core.errors import TransientFault
from visapi_common.core.fair_job_queue import FairJobQueue, JobQueueLimits
from visapi_gateway.kernel.access.tenant import WHOSE

T = TypeVar("T")

WAITING = 16_384
LEFT = 2
"""Connections that no single tenant may take."""


class FairPool:
    """See the module's docstring; as `visapi_common.adapters.pool.Pool`."""

    def __init__(self, pool: Pool, size: int) -> None:
        self._pool = pool
        limits = JobQueueLimits(
            at_once=size,
            per_tenant=max(1, size - LEFT),
            waiting=WAITING,
            waiting_per_tenant=WAITING // 2,
            bytes_waiting=1,
        )
        self._turns = FairJobQueue[tuple[str, asyncio.Future[None]]](limits)

    def acquire(self, *, timeout: float | None = None) -> AbstractAsyncContextManager[Connection]:
        return self._lent(timeout)

    @asynccontextmanager
    async def _lent(self, timeout: float | None) -> AsyncGenerator[Connection]:
        tenant = await self._turn()
        try:
            async with self._pool.acquire(timeout=timeout) as connection:
                yield connection
        finally:
            self._leave(tenant)

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        return await self._in_turn(self._pool.execute, query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Row]:
        return await self._in_turn(self._pool.fetch, query, *args, timeout=timeout)

    async def fetchrow(self, query: str, *args: object, timeout: float | None = None) -> Row | None:
        return await self._in_turn(self._pool.fetchrow, query, *args, timeout=timeout)

    async def fetchval(self, query: str, *args: object, timeout: float | None = None) -> Any:
        return await self._in_turn(self._pool.fetchval, query, *args, timeout=timeout)

    async def _in_turn(
        self, ask: Callable[..., Awaitable[T]], query: str, *args: object, timeout: float | None
    ) -> T:
        tenant = await self._turn()
        try:
            return await ask(query, *args, timeout=timeout)
        finally:
            self._leave(tenant)

    async def close(self) -> None:
        await self._pool.close()

    def terminate(self) -> None:
        self._pool.terminate()

    async def _turn(self) -> str:
        """Wait for a connection of the current tenant. Returns the tenant."""
        tenant = WHOSE.get()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._turns.put(tenant, (tenant, turn), 0) is not None:
            raise TransientFault("too many queries wait for PostgreSQL", retry_after_s=1.0)
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._turns.drop(tenant, lambda waiting: waiting[1] is turn)
            else:
                self._leave(tenant)
            raise
        return tenant

    def _leave(self, tenant: str) -> None:
        self._turns.done(tenant)
        self._next()

    def _next(self) -> None:
        while (taken := self._turns.take()) is not None:
            tenant, turn = taken
            if turn.cancelled():
                self._turns.done(tenant)
            else:
                turn.set_result(None)
