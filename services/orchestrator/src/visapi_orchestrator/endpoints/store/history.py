"""History as it is read for endpoints, and how far it was read."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.core.endpoint_types import Wants
from visapi_orchestrator.endpoints.rules.news import News, RunOrigin, Wanted
from visapi_orchestrator.events.rules.lifecycle import HistoryRow

_SQL = load_queries("visapi_orchestrator.endpoints.store", "history.sql")
_MOVE_AFTER = 10_000
"""After this many transactions without history the mark moves too, so that the next look is short."""


class PostgresEndpointHistory:
    """See `endpoints.history.EndpointHistory`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def wanted(self) -> Wanted:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["wanted"])
        tenants = {row["tenant"]: Wants(row["wants"]) for row in rows if row["tenant"] is not None}
        return Wanted(tenants, rows[0]["upto"])

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator["PostgresHistoryLease | None"]:
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                mine = await connection.fetchval(_SQL["take_lease"])
                yield PostgresHistoryLease(connection) if mine else None

    async def skip(self) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["skip"])


class PostgresHistoryLease:
    """See `endpoints.history.HistoryLease`. All statements use the connection that holds the lease."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._mark = ""
        self._worth_it = False

    async def read(self, limit: int, wanted: Wanted) -> tuple[Sequence[HistoryRow], bool]:
        tasks = [tenant for tenant, wants in wanted.tenants.items() if Wants.TASKS in wants]
        runs = [tenant for tenant in wanted.tenants if tenant not in tasks]
        found = await self._connection.fetch(_SQL["read_history"], limit, runs, tasks, wanted.upto)
        passed, upto = found[0]["rows"], int(found[0]["upto"])
        more = passed >= limit
        self._mark = str(int(found[0]["last"]) + 1 if more else upto)
        self._worth_it = passed > 0 or upto - int(found[0]["since"]) > _MOVE_AFTER
        rows = [row for row in found if row["run"] is not None]
        return [HistoryRow(row["run"], row["tenant"], row["retention"], row["items"]) for row in rows], more

    async def origins(self, rows: Sequence[HistoryRow]) -> Mapping[UUID, RunOrigin]:
        retentions = {row.run: row.retention for row in rows}
        found = await self._connection.fetch(_SQL["origins"], list(retentions), list(retentions.values()))
        return {
            row["id"]: RunOrigin(WorkflowRef(row["namespace"], row["name"], row["version"]), row["parent"])
            for row in found
        }

    async def add(self, news: Sequence[News]) -> None:
        """Under a savepoint, so that a failure undoes this step alone."""
        with pg_faults():
            async with self._connection.transaction():
                await self._connection.execute(
                    _SQL["add_news"],
                    [one.tenant for one in news],
                    [one.type for one in news],
                    [one.about for one in news],
                    [one.at for one in news],
                    [one.data for one in news],
                )

    async def move_on(self) -> None:
        if self._worth_it:
            await self._connection.execute(_SQL["move_on"], self._mark)
