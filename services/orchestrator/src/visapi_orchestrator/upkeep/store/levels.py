"""The levels of the ledger's queues, and the size of the database."""

from collections.abc import Sequence

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.queries import load_queries
from visapi_orchestrator.upkeep.levels import QueueLevel, StoreLevel

_SQL = load_queries("visapi_orchestrator.upkeep.store", "levels.sql")


class PostgresLevels:
    """See `upkeep.levels.LedgerLevels`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def queues(self, most: int) -> list[QueueLevel]:
        """Every queue, empty ones too, each counted up to `most`."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["queue_levels"], most)
        return [QueueLevel(row["queue"], row["waiting"], row["oldest_s"]) for row in rows]

    async def dead_letters(self, kinds: Sequence[str], most: int) -> list[QueueLevel]:
        """Open dead letters of each of these kinds, counted up to `most`."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["letter_levels"], most, list(kinds))
        return [QueueLevel(row["kind"], row["waiting"], row["oldest_s"]) for row in rows]

    async def erasures(self) -> QueueLevel:
        """Tenants that are being erased: few, so that all are counted."""
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["erasure_level"])
        assert row is not None, "the statement always answers one row"
        return QueueLevel("erasures", row["waiting"], row["oldest_s"])

    async def store(self) -> StoreLevel:
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["store_level"])
        assert row is not None, "the statement always answers one row"
        return StoreLevel(row["database_bytes"], row["wal_bytes"])
