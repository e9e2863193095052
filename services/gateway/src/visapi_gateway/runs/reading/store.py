"""Runs and their history, as one tenant sees them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from visapi_common.adapters.pool import LIMITED_TO, Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_gateway.runs.reading.conditions import (
    PLAN_ANEW,
    add_filter,
    among,
    complete,
    workflows_named,
)
from visapi_gateway.runs.reading.follow import Head
from visapi_gateway.runs.reading.limited import conditions_for, workflows_of
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.runs.reading.rules.history_items import StoredItem, numbered
from visapi_gateway.runs.reading.service import RunRow

_SQL = load_queries("visapi_gateway.runs.reading", "queries.sql")
LIST_RUNS = _SQL["list_runs"]
COUNT_RUNS = _SQL["count_runs"]
LIST_AMONG = among(LIST_RUNS)
COUNT_AMONG = _SQL["count_runs_among"]
"""For keys that are limited to several workflows."""
_AMONG = {LIST_RUNS: LIST_AMONG, COUNT_RUNS: COUNT_AMONG}


class PgRunStore:
    """Each read is one short transaction under the tenant's row-level security."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(self, tenant: str, run: UUID) -> RunRow | None:
        rows = await self._read(tenant, _SQL["run"], run, tenant)
        return RunRow(**rows[0]) if rows else None

    async def runs(self, tenant: str, wanted: RunFilter, before: UUID | None, limit: int) -> Sequence[RunRow]:
        return [RunRow(**row) for row in await self._select(LIST_RUNS, tenant, wanted, before, limit)]

    async def count(self, tenant: str, wanted: RunFilter, below: UUID, limit: int) -> tuple[int, datetime]:
        rows = await self._select(COUNT_RUNS, tenant, wanted, below, limit)
        return rows[0]["count"], rows[0]["counted_at"]

    async def _select(
        self, query: str, tenant: str, wanted: RunFilter, before: UUID | None, limit: int
    ) -> Sequence[Row]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await connection.execute(PLAN_ANEW)
            workflows = workflows_of(wanted, LIMITED_TO.get())
            conditions, is_among = conditions_for(tenant, limit, wanted, workflows)
            if before is not None:
                conditions.add("before_id", before)
            add_filter(conditions, wanted, await workflows_named(connection, tenant, wanted.text))
            return await connection.fetch(
                complete(_AMONG[query] if is_among else query, conditions, wanted), *conditions.arguments
            )

    async def head(self, tenant: str, run: UUID) -> Head | None:
        rows = await self._read(tenant, _SQL["run_head"], run, tenant)
        return Head(rows[0]["status"], rows[0]["seq"], rows[0]["retrying"]) if rows else None

    async def history(self, tenant: str, run: UUID, after: int, rows: int) -> Sequence[StoredItem]:
        found = await self._read(tenant, _SQL["history"], run, tenant, after, rows)
        items = (item for row in found for item in numbered(row["first_seq"], row["items"]))
        return [item for item in items if item.seq > after]

    async def _read(self, tenant: str, query: str, *arguments: object) -> list[Row]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            return await connection.fetch(query, *arguments)
