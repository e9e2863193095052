"""Schedules in PostgreSQL: claimed, decided on and moved on in one transaction."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.adapters.pool import Connection, Pool, Row, pg_faults
from visapi_common.adapters.queries import load_queries
from visapi_engine.schedule.decisions import Schedule
from visapi_orchestrator.core.scheduling import Due, decide, run_of

_SQL = load_queries("visapi_orchestrator.adapters", "sql/schedules.sql")
_decode = msgspec.json.Decoder(Schedule).decode
_encode = msgspec.json.Encoder().encode


class PostgresSchedules:
    """See `app.schedule_clock.ScheduleRows`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def fire_due(self, limit: int) -> tuple[int, list[UUID]]:
        """Decide on due schedules; how many, and the runs that there is news for."""
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(_SQL["claim_schedules"], limit)
                runs: list[UUID] = []
                for row in rows:
                    runs += await _fire(connection, await _due(connection, row))
        return len(rows), runs

    async def next_due_s(self) -> float | None:
        """Seconds until a schedule is due; None when there is none."""
        with pg_faults():
            return await self._pool.fetchval(_SQL["next_schedule"])


async def _due(connection: Connection, row: Row) -> Due:
    spec = _decode(row["spec"])
    ended = None
    if spec.after_ms is not None and row["last_run"] is not None:
        ended = await connection.fetchval(_SQL["ended_at"], row["last_run"])
        if ended is None and not await connection.fetchval(_SQL["is_live"], row["last_run"]):
            # Neither live nor kept: retention has dropped it long ago.
            ended = row["last_fire"]
    fields: dict[str, Any] = {**dict(row), "spec": spec, "ended": ended}
    return Due(**fields)


async def _fire(connection: Connection, due: Due) -> list[UUID]:
    plan = decide(due)
    told: list[UUID] = []
    if plan.replace:
        rows = await connection.fetch(_SQL["cancel_live"], due.id, plan.last_fire.isoformat())
        told += [row["run"] for row in rows]
    started = [run for fire in plan.start if (run := await _start(connection, due, fire)) is not None]
    for outcome, fires in (("skipped", plan.skipped), ("missed", plan.missed)):
        if fires:
            await connection.execute(_SQL["note_fires"], due.id, due.tenant, outcome, fires)
    await connection.execute(
        _SQL["move_on"],
        due.id,
        plan.last_fire,
        started[-1] if started else None,
        plan.buffered,
        plan.next_look,
        plan.next_fire,
    )
    return [*told, *started]


async def _start(connection: Connection, due: Due, fire: datetime) -> UUID | None:
    return await connection.fetchval(
        _SQL["start_run"],
        due.id,
        fire,
        due.tenant,
        run_of(due.id, fire),
        due.namespace,
        due.name,
        due.version,
        due.program,
        b'{"inline":%b}' % _encode(due.spec.input),
    )
