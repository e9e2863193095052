"""Flow control in PostgreSQL, within the caller's transaction (`sql/flow.sql`)."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import InboxBody
from visapi_orchestrator.transitions.rules.flow import FlowDecision, Key, SlotRelease, SlotRequest, lock_of

_SQL = load_queries("visapi_orchestrator.transitions.store", "flow.sql")
_CANCEL = msgspec.json.encode(
    InboxBody(actor="concurrency", reason="a newer run of the same key took its place")
)
_FIRST, _FIRST_KEY = UUID(int=0), ("", "", "")
_LOOK = 1000
"""Rows, or keys, that one round of the sweep reads."""
_RESERVATIONS = 10_000


async def lock(
    connection: Connection, slot_requests: Iterable[SlotRequest], slot_releases: Iterable[SlotRelease]
) -> None:
    """Lock every key that the transaction will touch, before it reads anything."""
    names = {lock_of(request.tenant, request.scope, request.admission.key) for request in slot_requests}
    names |= {
        lock_of(request.tenant, request.scope, request.admission.rate_key, "rate")
        for request in slot_requests
        if request.admission.rate_limit
    }
    names |= {lock_of(ended.tenant, ended.scope, ended.key) for ended in slot_releases}
    await connection.execute(_SQL["lock"], list(names))


async def admit(connection: Connection, slot_requests: Collection[SlotRequest]) -> FlowDecision:
    """Decide who may begin."""
    runs = [request.run for request in slot_requests]
    await _enqueue(connection, slot_requests)
    heirs = [request.run for request in slot_requests if request.has_parent]
    if heirs:
        await connection.execute(_SQL["inherit"], heirs)
    awake = await _fill(
        connection, {(request.tenant, request.scope, request.admission.key) for request in slot_requests}
    )
    rejected = await connection.fetch(_SQL["reject"], runs)
    cancelled = await connection.fetch(_SQL["cancel_oldest"], runs, _CANCEL)
    standing = await connection.fetch(_SQL["stand"], runs)
    alarms = [round(row["ready_ms"]) for row in standing]
    return FlowDecision(
        waiting=frozenset(row["run"] for row in standing),
        rejected=frozenset(row["run"] for row in rejected),
        awake=(awake | {row["run"] for row in cancelled}) - set(runs),
        alarm_ms=min(alarms, default=None),
    )


async def release(connection: Connection, slot_releases: Collection[SlotRelease]) -> frozenset[UUID]:
    """Release the slots of ended runs and assign them; return the runs that may begin now."""
    await connection.execute(_SQL["release"], [ended.run for ended in slot_releases])
    return await _fill(connection, {(ended.tenant, ended.scope, ended.key) for ended in slot_releases})


async def release_abandoned(connection: Connection, runs: Collection[UUID]) -> None:
    """Release the slots of these runs; the sweep assigns them."""
    await connection.execute(_SQL["release_abandoned"], list(runs))


async def _enqueue(connection: Connection, asked: Collection[SlotRequest]) -> None:
    slot_requests = sorted(asked, key=attrgetter("run"))
    reservations: list[datetime | None] = [
        await _reserve_rate(connection, request) for request in slot_requests
    ]
    await connection.execute(
        _SQL["request"],
        [request.run for request in slot_requests],
        [request.tenant for request in slot_requests],
        [request.scope for request in slot_requests],
        [request.admission.key for request in slot_requests],
        [request.admission.limit for request in slot_requests],
        [request.admission.on_limit for request in slot_requests],
        [request.admission.priority for request in slot_requests],
        reservations,
    )


async def _reserve_rate(connection: Connection, request: SlotRequest) -> datetime | None:
    admission = request.admission
    if not admission.rate_limit:
        return None
    return await connection.fetchval(
        _SQL["reserve_rate"],
        request.run,
        request.tenant,
        request.scope,
        admission.rate_key,
        admission.rate_limit,
        float(admission.period_ms),
    )


async def _fill(connection: Connection, keys: set[Key]) -> frozenset[UUID]:
    ordered = sorted(keys)
    columns = [[key[part] for key in ordered] for part in range(3)]
    return frozenset(row["run"] for row in await connection.fetch(_SQL["fill"], *columns))


class PostgresFlow:
    """See `timing.flow_sweep.FlowRows`: what keeps flow control going when a process died. Each look
    continues where the one before ended, so its cost does not grow with the number of runs.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._slot = self._waiting = _FIRST
        self._key: Key = _FIRST_KEY

    async def tidy(self) -> None:
        with pg_faults():
            self._slot = await self._pool.fetchval(_SQL["tidy_slots"], self._slot, _LOOK) or _FIRST
            self._waiting = await self._pool.fetchval(_SQL["tidy_waiting"], self._waiting, _LOOK) or _FIRST
            await self._pool.execute(_SQL["tidy_reservations"], _RESERVATIONS)

    async def keys_with_room(self) -> Sequence[Key]:
        """The next keys, and of these the ones under which somebody could be admitted."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["keys_with_waiting"], *self._key, _LOOK)
        self._key = _key_of(rows[-1]) if len(rows) == _LOOK else _FIRST_KEY
        return [_key_of(row) for row in rows if row["free"]]

    async def admit_waiting(self, keys: Sequence[Key]) -> list[UUID]:
        """Admit who can be admitted under these keys, all or nothing; who may begin now."""
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_SQL["lock"], [lock_of(*key) for key in keys])
                return list(await _fill(connection, set(keys)))


def _key_of(row: Row) -> Key:
    return row["tenant"], row["scope"], row["key"]
