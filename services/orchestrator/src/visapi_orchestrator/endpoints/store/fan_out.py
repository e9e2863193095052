"""News and messages to endpoints, in PostgreSQL."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool
from visapi_common.adapters.queries import load_queries
from visapi_common.core.endpoint_types import DISABLED
from visapi_orchestrator.endpoints.rules.subscribed import Message, Subscription, WaitingNews

_SQL = load_queries("visapi_orchestrator.endpoints.store", "fan_out.sql")


class PostgresFanOut:
    """See `endpoints.fan_out.FanOutRows`."""

    def __init__(self, pool: Pool, *, pending_max: int, kept: int) -> None:
        self._pool = pool
        self._pending_max = pending_max
        self._kept = kept

    async def tenants(self, after: str, limit: int) -> Sequence[str]:
        with pg_faults():
            return [row["tenant"] for row in await self._pool.fetch(_SQL["tenants"], after, limit)]

    @asynccontextmanager
    async def lease(self, tenant: str) -> AsyncGenerator["PostgresFanOutLease | None"]:
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                mine = await connection.fetchval(_SQL["hold"], tenant)
                yield PostgresFanOutLease(connection, tenant) if mine else None

    async def bound(self, tenant: str, endpoint: UUID) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["drop_old_messages"], tenant, endpoint, self._kept)
            await self._pool.execute(_SQL["disable_full"], tenant, endpoint, self._pending_max)

    async def announce(self) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["announce"], DISABLED)


class PostgresFanOutLease:
    """See `endpoints.fan_out.FanOutLease`."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def subscriptions(self) -> Sequence[Subscription]:
        rows = await self._connection.fetch(_SQL["subscriptions"], self._tenant)
        return [
            Subscription(row["id"], row["types"], row["workflows"], row["sources"], row["created_at"])
            for row in rows
        ]

    async def waiting(self, limit: int) -> Sequence[WaitingNews]:
        rows = await self._connection.fetch(_SQL["waiting"], self._tenant, limit)
        return [WaitingNews(**dict(row)) for row in rows]

    async def write(self, messages: Sequence[Message], unwanted: Collection[int]) -> None:
        await self._connection.execute(
            _SQL["write_messages"],
            self._tenant,
            [one.endpoint for one in messages],
            [one.news for one in messages],
            [one.type for one in messages],
            [one.size for one in messages],
            list(unwanted),
        )
