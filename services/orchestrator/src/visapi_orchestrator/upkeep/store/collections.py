"""Collections of schedules in PostgreSQL, beside the transitions that write them."""

from typing import Any, Final
from uuid import UUID

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.core.ids import Ids
from visapi_engine.machine.collections import stored_events
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.dead_letters.store import set_aside
from visapi_orchestrator.kernel.rules.arriving_events import ArrivedEvent
from visapi_orchestrator.transitions.relations.collections import uncollected
from visapi_orchestrator.upkeep.collected import EndedListener, HandedOver

_SQL = load_queries("visapi_orchestrator.upkeep.store", "collections.sql")
EXPIRED: Final = "correlation-expired"
BYTES_MAX: Final = 1024 * 1024
"""The most bytes of collections that are moved or given up together, because they are read in the event loop.
"""
_encode = msgspec.json.Encoder().encode


class PostgresCollections:
    """See `upkeep.collected.CollectedRows`. Collections are given up after `days`."""

    def __init__(self, pool: Pool, ids: Ids, days: int) -> None:
        self._pool = pool
        self._ids = ids
        self._days = days

    async def remove_ended(self, limit: int) -> list[EndedListener]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["remove_ended"], limit)
        return [EndedListener(**row) for row in rows]

    async def orphaned(self) -> list[UUID]:
        with pg_faults():
            return [row["run"] for row in await self._pool.fetch(_SQL["orphaned"])]

    async def hand_over(self, listener: UUID, limit: int) -> HandedOver:
        """Put the events of an ended listener into the inbox of its successor, in one transaction."""
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                workflow = await connection.fetchrow(_SQL["workflow_of"], listener)
                if workflow is None:
                    return HandedOver(0, None)
                successor = await connection.fetchrow(_SQL["successor"], *workflow)
                if successor is not None and not await _held(connection, successor):
                    return HandedOver(0, None)
                rows = await connection.fetch(_SQL["take_orphaned"], listener, limit, BYTES_MAX)
                if successor is None:
                    return HandedOver(len(rows), None)
                events = [event for row in rows for event in _events(row)]
                keys, bodies = [one.inbox_key for one in events], [one.body for one in events]
                await connection.execute(_SQL["deliver"], successor["id"], workflow["tenant"], keys, bodies)
        return HandedOver(len(rows), successor["id"])

    async def overdue(self) -> list[UUID]:
        with pg_faults():
            return [row["run"] for row in await self._pool.fetch(_SQL["overdue"], self._days)]

    async def give_up(self, listener: UUID, limit: int) -> list[DeadLetterEntry]:
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(_SQL["hold_listener"], listener)
                rows = await connection.fetch(_SQL["take_overdue"], listener, self._days, limit, BYTES_MAX)
                given_up = [self._dead_letter(event, listener, row) for row in rows for event in _events(row)]
                return [one for one in given_up if await set_aside(connection, self._ids.uuid7(), one)]

    def _dead_letter(self, event: ArrivedEvent, listener: UUID, row: Row) -> DeadLetterEntry:
        detail = (
            f"the other events of its correlation did not come within {self._days} days; the schedule of "
            f"{row['namespace']}/{row['name']}"
        )
        return uncollected(event, listener, EXPIRED, detail)


async def _held(connection: Connection, successor: Row) -> bool:
    """Whether the listener takes events until this transaction ends: it has begun, and not ended since."""
    if not successor["began"]:
        return False
    return await connection.fetchval(_SQL["hold_listener"], successor["id"]) is not None


def _events(row: Row) -> list[ArrivedEvent]:
    return [_arrived(row["tenant"], event) for event in stored_events(row["body"])]


def _arrived(tenant: str, event: dict[str, Any]) -> ArrivedEvent:
    return ArrivedEvent(tenant, str(event["source"]), str(event["id"]), _encode(event))
