"""Schedules in PostgreSQL: claimed, decided on and moved on, a batch in one transaction."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.core.ids import Ids
from visapi_engine.schedule.decisions import Schedule
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.dead_letters.store import set_aside
from visapi_orchestrator.timing.rules.scheduling import ClaimedSchedule, DecidedSchedule, Due, run_of

_SQL = load_queries("visapi_orchestrator.timing.store", "schedules.sql")
_decode = msgspec.json.Decoder(Schedule).decode
_encode = msgspec.json.Encoder().encode


class PostgresSchedules:
    """See `timing.schedule_clock.ScheduleRows`."""

    def __init__(self, pool: Pool, ids: Ids) -> None:
        self._pool = pool
        self._ids = ids

    @asynccontextmanager
    async def due(self, limit: int) -> AsyncGenerator["PostgresScheduleLease"]:
        """Due schedules, locked until the transaction ends."""
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(_SQL["claim_schedules"], limit)
                yield PostgresScheduleLease(connection, self._ids, [_claimed(row) for row in rows])

    async def next_due_s(self) -> float | None:
        """Seconds until a schedule is due; None when there is none."""
        with pg_faults():
            return await self._pool.fetchval(_SQL["next_schedule"])

    async def sweep(self, limit: int) -> int:
        """Delete fires older than 90 days; return the number."""
        with pg_faults():
            status = await self._pool.execute(_SQL["sweep_fires"], limit)
        return int(status.rpartition(" ")[2])


class PostgresScheduleLease:
    """See `timing.schedule_clock.ScheduleLease`. A step that fails undoes itself only."""

    def __init__(self, connection: Connection, ids: Ids, claimed: Sequence[ClaimedSchedule]) -> None:
        self._connection = connection
        self._ids = ids
        self.claimed = claimed

    async def fire(self, decided: Sequence[DecidedSchedule]) -> list[UUID]:
        """Write the decisions; return the runs with new triggers or inbox rows."""
        notified: list[UUID] = []
        if not decided:
            return notified
        with pg_faults():
            async with self._connection.transaction():
                replaced = [one for one in decided if one.plan.replace]
                if replaced:
                    keys = [one.plan.last_fire.isoformat() for one in replaced]
                    rows = await self._connection.fetch(
                        _SQL["cancel_live"], [one.due.id for one in replaced], keys
                    )
                    notified += [row["run"] for row in rows]
                rows = await self._connection.fetch(_SQL["fire"], *_fires(decided), *_moves(decided))
                notified += [row["id"] for row in rows]
        return notified

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool:
        with pg_faults():
            async with self._connection.transaction():
                return await set_aside(self._connection, self._ids.uuid7(), dead_letter)


def _claimed(row: Row) -> ClaimedSchedule:
    def read() -> Due:
        fields: dict[str, Any] = {**dict(row), "spec": _decode(row["spec"])}
        return Due(**fields)

    return ClaimedSchedule(row["id"], row["tenant"], row["spec"], read)


def _fires(decided: Sequence[DecidedSchedule]) -> tuple[list[object], ...]:
    rows: list[tuple[object, ...]] = []
    for one in decided:
        due, plan = one.due, one.plan
        rows += [(due.id, fire, due.tenant, "started", run_of(due.id, fire)) for fire in plan.start]
        rows += [(due.id, fire, due.tenant, "skipped", None) for fire in plan.skipped]
        rows += [(due.id, fire, due.tenant, "missed", None) for fire in plan.missed]
    return tuple([row[part] for row in rows] for part in range(5))


def _moves(decided: Sequence[DecidedSchedule]) -> tuple[list[object], ...]:
    rows: list[tuple[object, ...]] = [
        (
            one.due.id,
            one.plan.last_fire,
            one.plan.buffered,
            one.plan.next_look,
            one.plan.next_fire,
            b'{"inline":%b}' % _encode(one.due.spec.input),
        )
        for one in decided
    ]
    return tuple([row[part] for row in rows] for part in range(6))
