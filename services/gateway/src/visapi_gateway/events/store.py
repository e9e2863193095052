"""The ledger behind `events.service`."""

from collections.abc import Sequence

from visapi_common.adapters.pool import Pool, pg_faults
from visapi_common.adapters.queries import load_queries
from visapi_gateway.events.service import EventKey, NewEvent

_SQL = load_queries("visapi_gateway.events", "queries.sql")


class PgEventStore:
    """Inserts events as `visapi_gateway`, under the policies of their tenant."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, tenant: str, events: Sequence[NewEvent]) -> set[EventKey]:
        with pg_faults():
            async with self._pool.acquire() as connection:
                # A failure from here on may come after a commit.
                with pg_faults(effect=True):
                    rows = await connection.fetch(
                        _SQL["put_events"],
                        tenant,
                        [event.source for event in events],
                        [event.id for event in events],
                        [event.type for event in events],
                        [event.body for event in events],
                    )
        return {(row["source"], row["id"]) for row in rows}
