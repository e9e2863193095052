"""History as the lifecycle relay reads it, and how far it has come."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.core.ids import Ids
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.dead_letters.store import set_aside
from visapi_orchestrator.events.rules.lifecycle import EventOrigin, HistoryRow, LifecycleEvent
from visapi_orchestrator.events.store.listeners import About, notify, wait_for_listeners

_SQL = load_queries("visapi_orchestrator.events.store", "lifecycle.sql")
_MOVE_AFTER = 10_000
"""After this many transactions without history the mark moves too, so that the next look is short."""


class PostgresLifecycle:
    """See `events.lifecycle_relay.History`."""

    def __init__(self, pool: Pool, ids: Ids) -> None:
        self._pool = pool
        self._ids = ids

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator["PostgresRelayLease | None"]:
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                mine = await connection.fetchval(_SQL["take_lease"])
                yield PostgresRelayLease(connection, self._ids) if mine else None

    async def skip(self) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["skip"])


class PostgresRelayLease:
    """See `events.lifecycle_relay.RelayLease`. All statements use the connection that holds the lease."""

    def __init__(self, connection: Connection, ids: Ids) -> None:
        self._connection = connection
        self._ids = ids
        self._mark = ""
        self._worth_it = False

    async def read(self, limit: int, *, tasks: bool) -> tuple[list[HistoryRow], bool]:
        found = await self._connection.fetch(_SQL["read_history"], limit, tasks)
        rows = [row for row in found if row["run"] is not None]
        more = len(rows) >= limit
        upto = int(found[0]["upto"])
        self._mark = str(int(rows[-1]["xid"]) + 1 if more else upto)
        self._worth_it = bool(rows) or upto - int(found[0]["since"]) > _MOVE_AFTER
        return [HistoryRow(row["run"], row["tenant"], row["retention"], row["items"]) for row in rows], more

    async def origins(self, rows: Sequence[HistoryRow]) -> dict[UUID, EventOrigin]:
        retentions = {row.run: row.retention for row in rows}
        found = await self._connection.fetch(_SQL["origins"], list(retentions), list(retentions.values()))
        return {row["id"]: _origin(row) for row in found}

    async def notify(self, events: Sequence[LifecycleEvent]) -> list[UUID]:
        """Under a savepoint, so that a failure undoes this step alone."""
        with pg_faults():
            async with self._connection.transaction():
                return await self._notify(events)

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool:
        with pg_faults():
            async with self._connection.transaction():
                return await set_aside(self._connection, self._ids.uuid7(), dead_letter)

    async def _notify(self, events: Sequence[LifecycleEvent]) -> list[UUID]:
        await wait_for_listeners(self._connection, {event.event.tenant for event in events})
        about = [About(event.run, event.origin.parent) for event in events]
        return await notify(self._connection, [event.event for event in events], about)

    async def move_on(self) -> None:
        if self._worth_it:
            await self._connection.execute(_SQL["move_on"], self._mark)


def _origin(row: Row) -> EventOrigin:
    return EventOrigin(
        WorkflowRef(row["namespace"], row["name"], row["version"]),
        trace=row["trace"],
        parent=row["parent"],
        by_event=row["by_event"],
        test=row["test"],
    )
