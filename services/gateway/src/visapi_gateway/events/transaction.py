"""Statements of events for other slices' transactions."""

from collections.abc import Sequence

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_gateway.events.service import EventKey, NewEvent

_SQL = load_queries("visapi_gateway.events", "queries.sql")


async def put_events(connection: Connection, tenant: str, events: Sequence[NewEvent]) -> set[EventKey]:
    """Insert events of a tenant. Returns the keys of the new ones."""
    rows = await connection.fetch(
        _SQL["put_events"],
        tenant,
        [event.source for event in events],
        [event.id for event in events],
        [event.type for event in events],
        [event.body for event in events],
        [event.test for event in events],
    )
    return {(row["source"], row["id"]) for row in rows}
