"""The ledger behind `events.service`."""

from collections.abc import Sequence

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool
from visapi_gateway.events.service import EventKey, NewEvent
from visapi_gateway.events.transaction import put_events


class PgEventStore:
    """Inserts events as `visapi_gateway`, under the policies of their tenant."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, tenant: str, events: Sequence[NewEvent]) -> set[EventKey]:
        with pg_faults():
            async with self._pool.acquire() as connection:
                # A failure from here on may come after a commit: the statement is a transaction of its own.
                with pg_faults(effect=True):
                    return await put_events(connection, tenant, events)
