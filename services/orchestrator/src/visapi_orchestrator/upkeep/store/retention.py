"""Partitions of ended runs in PostgreSQL: made, dropped, emptied. Each table in a transaction of its own."""

from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.core.ids import time_ms_of
from visapi_orchestrator.upkeep.rules.retention import (
    BASES,
    RUNS,
    Partition,
    RetentionClass,
    RowDeletion,
    StoredDays,
)

_SQL = load_queries("visapi_orchestrator.upkeep.store", "retention.sql")
_READ_ALL_S: Final = 120.0
"""A day of many runs is read to its end, by its primary key, before it goes."""


class PostgresRetention:
    """See `upkeep.retention.RetentionRows`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep_by_default(self, days: int) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["keep_by_default"], days)

    async def kept(self) -> StoredDays:
        with pg_faults():
            classes = await self._pool.fetch(_SQL["classes"])
            tables = await self._pool.fetch(_SQL["partitions"])
        return StoredDays(
            today=classes[0]["today"],
            classes=[RetentionClass(row["name"], row["days"], row["width"]) for row in classes],
            partitions=[_partition(base, row) for row in tables for base in BASES if _is_of(base, row)],
        )

    async def make(self, new: Partition) -> bool | None:
        """Whether it is new; None when rows in the class's default partition stand in its way."""
        with pg_faults():
            return await self._pool.fetchval(_SQL["make"], new.base, new.retention, new.first, new.past)

    async def drop(self, kind: RetentionClass, old: Partition) -> bool:
        """Drop the partition unless one of its rows is still needed; True where it was dropped.

        It is searched before anything is locked, and once more while writers are locked out; readers are
        locked out only while the table is dropped.
        """
        table, days = (old.base, old.retention, old.first), (old.retention, old.first, old.past)
        with pg_faults():
            async with self._pool.acquire() as connection:
                if await _needed(connection, kind, old):
                    return False
                async with connection.transaction():
                    if not await connection.fetchval(_SQL["lock"], *table):
                        return True
                    if await _needed(connection, kind, old):
                        return False
                    if old.base == RUNS:
                        await connection.execute(_SQL["forget_traces"], *days, timeout=_READ_ALL_S)
                    await connection.execute(_SQL["drop"], *table)
        return True

    async def forget(self, rows: RowDeletion, limit: int) -> int:
        """Delete at most `limit` expired ended runs; return the number."""
        with pg_faults():
            return await self._pool.fetchval(
                _SQL["forget_runs"],
                rows.retention,
                rows.first,
                rows.past,
                rows.days,
                limit,
                timeout=_READ_ALL_S,
            )


async def _needed(connection: Connection, kind: RetentionClass, old: Partition) -> bool:
    days = (old.retention, old.first, old.past)
    if old.base == RUNS:
        return await connection.fetchval(_SQL["runs_needed"], *days, kind.days, timeout=_READ_ALL_S)
    return await connection.fetchval(_SQL["rows_needed"], *days, timeout=_READ_ALL_S)


def _is_of(base: str, row: Row) -> bool:
    return row["parent"].startswith(f"{base}_")


def _partition(base: str, row: Row) -> Partition:
    retention = row["parent"].removeprefix(f"{base}_")
    return Partition(base, retention, _day(row["first_id"]), _day(row["past_id"]))


def _day(first_id: str) -> date:
    return datetime.fromtimestamp(time_ms_of(UUID(first_id)) / 1000, UTC).date()
