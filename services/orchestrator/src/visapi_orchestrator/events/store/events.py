"""Events in PostgreSQL: taken in, matched, published."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from visapi_common.adapters.pool import Connection, Pool, Row, pg_faults
from visapi_common.adapters.queries import load_queries
from visapi_common.core.ids import Ids
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.dead_letters.store import set_aside
from visapi_orchestrator.kernel.rules.arriving_events import ArrivedEvent, SubscriptionLookup, probes

_SQL = load_queries("visapi_orchestrator.events.store", "events.sql")


class PostgresEvents:
    """See `events.dispatch.EventRows` and `events.intake.EventRows`."""

    def __init__(self, pool: Pool, ids: Ids) -> None:
        self._pool = pool
        self._ids = ids

    async def take_in(self, events: Sequence[ArrivedEvent]) -> set[str]:
        """Commit events of known and enabled tenants; those that are there already stay as they are. Returns
        the disabled tenants.
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
        return {row["id"] for row in rows}

    async def known_tenants(self, tenants: Sequence[str]) -> set[str]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["known_tenants"], list(tenants))
        return {row["id"] for row in rows}

    async def tenants(self) -> list[str]:
        """All tenants; see `events.producers.TenantRows`."""
        with pg_faults():
            return [row["id"] for row in await self._pool.fetch(_SQL["tenants"])]

    @asynccontextmanager
    async def matching(self, limit: int, bytes_max: int) -> AsyncGenerator["PostgresMatchLease"]:
        """Waiting events, locked until the transaction ends."""
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(_SQL["claim_unmatched"], limit, bytes_max)
                yield PostgresMatchLease(connection, self._ids, [_arrived(row) for row in rows])

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

    def __init__(self, connection: Connection, ids: Ids, events: Sequence[ArrivedEvent]) -> None:
        self._connection = connection
        self._ids = ids
        self.events = events

    async def notify(self, events: Sequence[ArrivedEvent]) -> list[UUID]:
        if not events:
            return []
        with pg_faults():
            async with self._connection.transaction():
                runs = await _notify(self._connection, events)
                await self._connection.execute(_SQL["mark_matched"], *_names(events))
        return runs

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool:
        with pg_faults():
            async with self._connection.transaction():
                return await set_aside(self._connection, self._ids.uuid7(), dead_letter)


async def _notify(connection: Connection, events: Sequence[ArrivedEvent]) -> list[UUID]:
    rows = await connection.fetch(_SQL["shapes"], sorted({event.tenant for event in events}))
    shapes: dict[str, list[str]] = {}
    for row in rows:
        shapes.setdefault(row["tenant"], []).append(row["shape"])
    found: list[SubscriptionLookup] = probes(events, shapes)
    if not found:
        return []
    places = {event.inbox_key: place for place, event in enumerate(events)}
    notified = await connection.fetch(
        _SQL["tell_listeners"],
        [probe.event.tenant for probe in found],
        [probe.shape for probe in found],
        [probe.key for probe in found],
        [probe.event.inbox_key for probe in found],
        [probe.event.body for probe in found],
        [places[probe.event.inbox_key] for probe in found],
        [probe.event.came_at for probe in found],
    )
    return list(dict.fromkeys(row["run"] for row in notified))


def _arrived(row: Row) -> ArrivedEvent:
    return ArrivedEvent(
        row["tenant"], row["source"], row["id"], row["body"], row["type"], came_at=row["received_at"]
    )


def _names(events: Sequence[ArrivedEvent]) -> tuple[list[str], list[str], list[str]]:
    return (
        [event.tenant for event in events],
        [event.source for event in events],
        [event.id for event in events],
    )
