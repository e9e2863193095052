"""Runs, their history and their inbox, as one tenant sees them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from visapi_common.adapters.pool import Connection, Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.core.large_values import small_part
from visapi_gateway.audit.store import record
from visapi_gateway.runs.commands.service import UNREAD_MAX, Fate, Once, Order
from visapi_gateway.runs.reading.follow import Head
from visapi_gateway.runs.reading.narrowing import PLAN_ANEW, Narrowing, complete, narrow, workflows_named
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.runs.reading.rules.history_items import StoredItem, numbered
from visapi_gateway.runs.reading.service import RunRow

_SQL = load_queries("visapi_gateway.runs.reading", "queries.sql")
LIST_RUNS = _SQL["list_runs"]
COUNT_RUNS = _SQL["count_runs"]


class RunStore:
    """Reads by one short transaction each, under the tenant's policies."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(self, tenant: str, run: UUID) -> RunRow | None:
        rows = await self._read(tenant, _SQL["run"], run, tenant)
        return RunRow(**rows[0]) if rows else None

    async def runs(self, tenant: str, wanted: RunFilter, before: UUID | None, limit: int) -> Sequence[RunRow]:
        return [RunRow(**row) for row in await self._narrowed(LIST_RUNS, tenant, wanted, before, limit)]

    async def count(self, tenant: str, wanted: RunFilter, below: UUID, limit: int) -> tuple[int, datetime]:
        rows = await self._narrowed(COUNT_RUNS, tenant, wanted, below, limit)
        return rows[0]["count"], rows[0]["counted_at"]

    async def _narrowed(
        self, query: str, tenant: str, wanted: RunFilter, before: UUID | None, limit: int
    ) -> Sequence[Row]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await connection.execute(PLAN_ANEW)
            narrowed = Narrowing(tenant, limit)
            if before is not None:
                narrowed.add("before_id", before)
            narrow(narrowed, wanted, await workflows_named(connection, tenant, wanted.text))
            return await connection.fetch(complete(query, narrowed, wanted), *narrowed.arguments)

    async def head(self, tenant: str, run: UUID) -> Head | None:
        rows = await self._read(tenant, _SQL["run_head"], run, tenant)
        return Head(rows[0]["status"], rows[0]["seq"], rows[0]["retrying"]) if rows else None

    async def history(self, tenant: str, run: UUID, after: int, rows: int) -> Sequence[StoredItem]:
        found = await self._read(tenant, _SQL["history"], run, tenant, after, rows)
        items = (item for row in found for item in numbered(row["first_seq"], row["items"]))
        return [item for item in items if item.seq > after]

    async def resume_point(self, tenant: str, run: UUID) -> tuple[bytes, bytes] | None:
        rows = await self._read(tenant, _SQL["resume_point"], run, tenant)
        return (small_part(rows[0]["resume"]), rows[0]["program"]) if rows else None

    async def ended_for_good(self, tenant: str, runs: Sequence[UUID]) -> dict[UUID, str]:
        rows = await self._read(tenant, _SQL["ended_for_good"], tenant, list(runs))
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
            if once is not None:
                held = await connection.fetchval(_SQL["hold_key"], row.tenant, once.key, row.run, once.asked)
                if held is None:
                    return await _used(connection, row.tenant, once) or Fate.CONFLICT
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
            return await _used(connection, tenant, once)

    async def _read(self, tenant: str, query: str, *arguments: object) -> list[Row]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            return await connection.fetch(query, *arguments)


async def _cancel_families(connection: Connection, tenant: str, orders: Sequence[Order]) -> None:
    roots = sorted(order.row.run for order in orders if order.row.kind == InboxKind.CANCEL)
    if roots:
        await connection.execute(_SQL["cancel_families"], tenant, roots)


class _Refused(Exception):
    """Nothing of an order is committed, its `Idempotency-Key` neither."""

    def __init__(self, fate: Fate) -> None:
        super().__init__(fate.value)
        self.fate = fate


async def _used(connection: Connection, tenant: str, once: Once) -> Fate | None:
    holder = await connection.fetchrow(_SQL["key_holder"], tenant, once.key)
    if holder is None:
        return None
    return Fate.REPLAYED if holder["body_hash"] == once.asked else Fate.CONFLICT
