"""Deliveries of hooks in PostgreSQL: deleted by age, and with a removed hook."""

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.queries import load_queries

_SQL = load_queries("visapi_orchestrator.upkeep.store", "hooks.sql")


class PostgresHookRows:
    """Deliveries that came more than `days` ago, hooks that were removed and their deliveries; see
    `upkeep.tidying.Sweepable`.
    """

    def __init__(self, pool: Pool, days: int) -> None:
        self._pool = pool
        self._days = days

    async def sweep(self, limit: int) -> int:
        """Delete at most `limit` deliveries, and removed hooks that have none; return the number of
        deliveries.
        """
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                held = await connection.fetch(_SQL["hold_usage"], self._days, limit)
                tenants = [row["tenant"] for row in held]
                gone: int = await connection.fetchval(_SQL["sweep_deliveries"], self._days, limit, tenants)
                if gone < limit:
                    await connection.execute(_SQL["drop_removed"])
        return gone
