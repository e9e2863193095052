"""Tenants that are to be erased, in PostgreSQL and in the artifact store; see `upkeep.erasing`."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from visapi_common.adapters.artifacts import ArtifactStore, PayloadStore, TemplateStore
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool
from visapi_common.adapters.queries import load_queries
from visapi_orchestrator.upkeep.erasing import Erasure
from visapi_orchestrator.upkeep.rules.erasing import (
    OF_ENDED_RUNS,
    OF_OPEN_RUNS,
    WALKED,
    Piece,
    Place,
    place_after,
)

_SQL = load_queries("visapi_orchestrator.upkeep.store", "erasures.sql")
_RUNS = 50
"""Runs that one piece locks."""
_LOOKED_AT = 5000
"""Rows that one piece of a walk looks at."""
_OBJECTS = 100
TASKS_END_S = 3600.0
"""Longer than tasks that write for a tenant (a document, a picture, a delivery), but for calls whose workflow
gives them more time.
"""
_AGAIN_S = 60.0
"""Between two passes that find nothing, as long as a tenant may not be erased yet."""


class _RunTables(NamedTuple):
    """The blocks that lock, empty and delete runs."""

    lock: str
    left: str
    table: str
    parts: Sequence[str]


_OF_ENDED = (
    "run_families", "run_inbox", "recorded_inputs", "started_effects", "run_approvals", "run_letters",
    "run_attributes", "history",
)  # fmt: skip
_OF_OPEN = (
    "tasks", "timers", "run_subscriptions", "collections", "run_slots", "run_waiting", "rate_reservations",
    *_OF_ENDED,
)  # fmt: skip
_RUN_TABLES = {
    OF_OPEN_RUNS: _RunTables("lock_open", "any_open", "open_runs_gone", _OF_OPEN),
    OF_ENDED_RUNS: _RunTables("lock_ended", "any_ended", "ended_runs_gone", _OF_ENDED),
}


class PostgresErasures:
    """See `upkeep.erasing.ErasureRows`. A tenant is erased `tasks_end_s` seconds after the erasure was asked
    for at the earliest.
    """

    def __init__(self, pool: Pool, *, tasks_end_s: float = TASKS_END_S) -> None:
        self._pool = pool
        self._tasks_end_s = tasks_end_s

    async def due(self, limit: int) -> Sequence[Erasure]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["due"], limit)
        return [Erasure(row["tenant"], Place(row["step"], row["position"], row["found"])) for row in rows]

    async def piece(self, erasure: Erasure, limit: int) -> None:
        tenant, place = erasure.tenant, erasure.place
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(_SQL["hold"], tenant, place.step, place.position):
                    return
                if place.step in _RUN_TABLES:
                    piece = await _runs(connection, _RUN_TABLES[place.step], tenant, limit)
                elif place.step in WALKED:
                    piece = await _walked(connection, place, tenant)
                else:
                    gone = _number(await connection.execute(_SQL[place.step], tenant, limit))
                    piece = Piece(gone, more=gone == limit)
                await self._move(connection, erasure, piece)

    async def go_on(self, erasure: Erasure, piece: Piece) -> None:
        tenant, place = erasure.tenant, erasure.place
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(_SQL["hold"], tenant, place.step, place.position):
                    await self._move(connection, erasure, piece)

    async def put_off(self, tenant: str, seconds: float, why: str) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["put_off"], tenant, seconds, why)

    async def _move(self, connection: Connection, erasure: Erasure, piece: Piece) -> None:
        tenant, after = erasure.tenant, place_after(erasure.place, piece)
        if after is None and await connection.fetchval(_SQL["end"], tenant, self._tasks_end_s):
            return
        to = after or Place()
        await connection.execute(_SQL["go_on"], tenant, to.step, to.position, to.found, piece.gone)
        if after is None:
            # Requests and tasks that were under way when the tenant was suspended may still write.
            await connection.execute(_SQL["put_off"], tenant, _AGAIN_S, None)


class ErasedObjects:
    """See `upkeep.erasing.ErasedObjects`."""

    def __init__(self, artifacts: ArtifactStore, payloads: PayloadStore, templates: TemplateStore) -> None:
        self._stores: Mapping[str, ArtifactStore | PayloadStore | TemplateStore] = {
            "artifacts": artifacts,
            "payloads": payloads,
            "template_contents": templates,
        }

    async def remove_some(self, kind: str, tenant: str) -> Piece:
        gone = await self._stores[kind].remove_some(tenant, _OBJECTS)
        return Piece(gone, more=gone == _OBJECTS)


async def _runs(connection: Connection, of: _RunTables, tenant: str, limit: int) -> Piece:
    """Delete runs with what belongs to them. The runs stay locked, so that no transition adds to what is
    deleted here; those that have more than `limit` rows together are emptied in several pieces.
    """
    runs = await connection.fetch(_SQL[of.lock], tenant, _RUNS)
    if not runs:
        return Piece(0, more=bool(await connection.fetchval(_SQL[of.left], tenant)))
    ids, classes = [run["id"] for run in runs], sorted({run["retention"] for run in runs})
    left = limit
    for part in of.parts:
        more = (classes,) if part == "history" else ()
        left -= _number(await connection.execute(_SQL[part], ids, left, *more))
        if left <= 0:
            return Piece(limit - left, more=True)
    gone = _number(await connection.execute(_SQL[of.table], ids, classes))
    return Piece(limit - left + gone, more=True)


async def _walked(connection: Connection, place: Place, tenant: str) -> Piece:
    row = await connection.fetchrow(_SQL[place.step], tenant, place.position, _LOOKED_AT)
    assert row is not None, "a query that always gives a row"
    return Piece(row["gone"], more=row["looked"] == _LOOKED_AT, position=row["last"] or "")


def _number(status: str) -> int:
    return int(status.rpartition(" ")[2])
