"""What tenants use, in PostgreSQL."""

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.queries import load_queries

_SQL = load_queries("visapi_orchestrator.upkeep.store", "usage.sql")


class PostgresUsage:
    """See `upkeep.usage.UsageRows`, and `upkeep.tidying.Sweepable` for days of more than `days` ago."""

    def __init__(self, pool: Pool, days: int) -> None:
        self._pool = pool
        self._days = days

    async def fold(self, limit: int) -> int:
        with pg_faults():
            return await self._pool.fetchval(_SQL["fold"], limit)

    async def sweep(self, limit: int) -> int:
        """Delete at most `limit` rows; return the number."""
        with pg_faults():
            status = await self._pool.execute(_SQL["sweep"], self._days, limit)
        return int(status.rpartition(" ")[2])
