"""Webhooks to endpoints, in PostgreSQL: deleted by age, and with an endpoint that was removed."""

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.queries import load_queries

UNTRIED_DAYS = 4
"""A message that waits and was due so long ago is tried by nobody: longer than any wait between attempts."""
_SQL = load_queries("visapi_orchestrator.upkeep.store", "endpoints.sql")


class PostgresEndpointRows:
    """Webhooks of more than `days` ago, with their attempts; see `upkeep.tidying.Sweepable`."""

    def __init__(self, pool: Pool, days: int) -> None:
        self._pool = pool
        self._days = days

    async def sweep(self, limit: int) -> int:
        """Delete at most `limit` rows of each table; return the largest of the numbers."""
        gone = [
            await self._delete("sweep_attempts", self._days, limit),
            await self._delete("sweep_messages", self._days, limit, UNTRIED_DAYS),
            await self._delete("sweep_news", self._days, limit),
            await self._delete("sweep_removed", limit),
        ]
        await self._delete("drop_removed")
        return max(gone)

    async def _delete(self, name: str, *given: int) -> int:
        with pg_faults():
            status = await self._pool.execute(_SQL[name], *given)
        return int(status.rpartition(" ")[2])
