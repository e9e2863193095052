"""Events in PostgreSQL: taken in, matched, published."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.core.ids import Ids
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.dead_letters.store import set_aside
from visapi_orchestrator.events.store.listeners import hold_listeners, notify
from visapi_orchestrator.kernel.rules.arriving_events import ArrivedEvent

_SQL = load_queries("visapi_orchestrator.events.store", "events.sql")


class PostgresEvents:
    """See `events.dispatch.EventRows` and `events.intake.IntakeRows`."""

    def __init__(self, pool: Pool, ids: Ids) -> None:
        self._pool = pool
        self._ids = ids

    async def take_in(self, events: Sequence[ArrivedEvent]) -> set[tuple[str, str, str]]:
        """Commit events of known and enabled tenants; existing events are kept. Returns the names of the
        events of disabled tenants, which are not stored.
        """
        with pg_faults():
            rows = await self._pool.fetch(
                _SQL["take_in"],
                [event.tenant for event in events],
                [event.source for event in events],
                [event.id for event in events],
                [event.type for event in events],
                [event.body for event in events],
            )
        return {(row["tenant"], row["source"], row["id"]) for row in rows}

    async def known_tenants(self, tenants: Sequence[str]) -> set[str]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["known_tenants"], list(tenants))
        return {row["id"] for row in rows}

    async def erased(self, tenants: Sequence[str]) -> set[str]:
        """See `events.set_aside_messages.LetterCounts`."""
        with pg_faults():
            return {row["tenant"] for row in await self._pool.fetch(_SQL["erased"], list(tenants))}

    async def tenants(self) -> list[str]:
        """All tenants; see `events.producers.TenantRows`."""
        with pg_faults():
            return [row["id"] for row in await self._pool.fetch(_SQL["tenants"])]

    async def messages_set_aside(self, tenant: str, number_max: int) -> tuple[int, int]:
        """See `events.set_aside_messages.LetterCounts`."""
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["messages_set_aside"], tenant, number_max)
        assert row is not None, "a query that always gives a row"
        return row["number"], row["bytes"]

    async def disabled_and_filling(self, tenants: Sequence[str], number: int, size: int) -> set[str]:
        """See `events.producers.TenantRows`."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["disabled_and_filling"], list(tenants), number, size)
        return {row["id"] for row in rows}

    @asynccontextmanager
    async def matching(
        self, limit: int, bytes_max: int, without: Collection[str]
    ) -> AsyncGenerator["PostgresMatchLease"]:
        """Waiting events, locked until the transaction ends."""
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(_SQL["claim_unmatched"], limit, bytes_max, list(without))
                events = [_arrived(row) for row in rows]
                deploying = await hold_listeners(connection, {event.tenant for event in events})
                yield PostgresMatchLease(connection, self._ids, events, deploying)

    async def unpublished(self, limit: int, skip: int) -> list[ArrivedEvent]:
        """Events that workflows emitted and JetStream has not acknowledged."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["unpublished"], limit, skip)
        return [_arrived(row) for row in rows]

    async def published(self, events: Sequence[ArrivedEvent]) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["mark_published"], *_names(events))


class PostgresMatchLease:
    """See `events.dispatch.MatchLease`. Each step has a savepoint: one that fails undoes itself only."""

    def __init__(
        self, connection: Connection, ids: Ids, events: Sequence[ArrivedEvent], deploying: Collection[str]
    ) -> None:
        self._connection = connection
        self._ids = ids
        self.claimed = len(events)
        self.events = [event for event in events if event.tenant not in deploying]
        self.deploying = deploying

    async def notify(self, events: Sequence[ArrivedEvent]) -> list[UUID]:
        if not events:
            return []
        with pg_faults():
            async with self._connection.transaction():
                runs = await notify(self._connection, events)
                await self._connection.execute(_SQL["mark_matched"], *_names(events))
        return runs

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool:
        with pg_faults():
            async with self._connection.transaction():
                return await set_aside(self._connection, self._ids.uuid7(), dead_letter)


def _arrived(row: Row) -> ArrivedEvent:
    return ArrivedEvent(
        row["tenant"],
        row["source"],
        row["id"],
        row["body"],
        row["type"],
        came_at=row["received_at"],
        test=row["test"],
    )


def _names(events: Sequence[ArrivedEvent]) -> tuple[list[str], list[str], list[str]]:
    return (
        [event.tenant for event in events],
        [event.source for event in events],
        [event.id for event in events],
    )
