"""Commands to runs in PostgreSQL: each is a row of the run's inbox, committed with what the audit keeps."""

from collections.abc import Sequence
from uuid import UUID

from visapi_common.adapters.pool import Connection, Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.core.large_values import small_part
from visapi_gateway.audit.transaction import record
from visapi_gateway.runs.commands.service import UNREAD_MAX, Fate, Once, Order
from visapi_gateway.runs.commands.transaction import hold_key, key_fate

_SQL = load_queries("visapi_gateway.runs.commands", "queries.sql")


class PgCommandStore:
    """Each method is one transaction of the caller's tenant."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def resume_point(self, tenant: str, run: UUID) -> tuple[bytes, bytes] | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["resume_point"], run, tenant)
        return None if row is None else (small_part(row["resume"]), row["program"])

    async def ended_for_good(self, tenant: str, runs: Sequence[UUID]) -> dict[UUID, str]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["ended_for_good"], tenant, list(runs))
        return {row["id"]: row["status"] for row in rows}

    async def tell(self, tenant: str, orders: Sequence[Order]) -> set[UUID]:
        rows = [(order.row.run, order.row.key, order.row.kind, order.row.body) for order in orders]
        async with tenant_transaction(self._pool, [tenant]) as connection:
            told = await connection.fetch(_SQL["tell_runs"], tenant, *map(list, zip(*rows, strict=True)))
            fresh = {row["run"] for row in told}
            await _cancel_families(connection, tenant, orders)
            await record(connection, *(order.audit for order in orders if order.row.run in fresh))
        return fresh

    async def cancel_family(self, tenant: str, order: Order) -> bool:
        run = order.row.run
        async with tenant_transaction(self._pool, [tenant]) as connection:
            if not await connection.fetchval(_SQL["open_descendants"], run):
                return False
            await _cancel_families(connection, tenant, [order])
            await record(connection, order.audit)
        return True

    async def order(self, order: Order, once: Once | None) -> Fate:
        try:
            return await self._ordered(order, once)
        except _Refused as refused:
            return refused.fate

    async def _ordered(self, order: Order, once: Once | None) -> Fate:
        row = order.row
        async with tenant_transaction(self._pool, [row.tenant]) as connection:
            if once is not None and (used := await hold_key(connection, row.tenant, once, row.run)):
                return used
            told = await connection.fetchval(
                _SQL["put_command"], row.run, row.key, row.tenant, row.kind, row.body, UNREAD_MAX
            )
            if told is not None:
                await _cancel_families(connection, row.tenant, [order])
                await record(connection, order.audit)
                return Fate.COMMITTED
            waiting = await connection.fetchval(_SQL["waiting_command"], row.run, row.key, row.tenant)
            if waiting != row.body:
                raise _Refused(Fate.FULL if waiting is None else Fate.OTHER_WAITS)
            await record(connection, order.audit)
            return Fate.WAITS

    async def holder(self, tenant: str, once: Once) -> Fate | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            return await key_fate(connection, tenant, once)


async def _cancel_families(connection: Connection, tenant: str, orders: Sequence[Order]) -> None:
    roots = sorted(order.row.run for order in orders if order.row.kind == InboxKind.CANCEL)
    if roots:
        await connection.execute(_SQL["cancel_families"], tenant, roots)


class _Refused(Exception):
    """Nothing of an order is committed, its `Idempotency-Key` neither."""

    def __init__(self, fate: Fate) -> None:
        super().__init__(fate.value)
        self.fate = fate
