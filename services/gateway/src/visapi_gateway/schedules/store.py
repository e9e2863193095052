"""Schedules in PostgreSQL, as one tenant sees them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.schedules import Backfilled, FireView
from visapi_common.contracts.subjects import partition_of
from visapi_gateway.kernel.idempotency.rules import Claim, answer_text
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.schedules.service import NewRuns, ScheduleRow

_SQL = load_queries("visapi_gateway.schedules", "queries.sql")


class PgScheduleStore:
    """See `schedules.service.ScheduleStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, tenant: str, after: tuple[str, str] | None, limit: int) -> Sequence[ScheduleRow]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            last = after or (None, None)
            rows = await connection.fetch(_SQL["list_schedules"], tenant, *last, limit)
        return [ScheduleRow(**row) for row in rows]

    async def one(self, name: WorkflowName) -> ScheduleRow | None:
        async with tenant_transaction(self._pool, [name[0]]) as connection:
            row = await connection.fetchrow(_SQL["one_schedule"], *name)
        return None if row is None else ScheduleRow(**row)

    async def fires(self, tenant: str, schedule: UUID, limit: int) -> Sequence[FireView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["recent_fires"], schedule, tenant, limit)
        return [FireView(row["fire_at"], row["outcome"], row["run"]) for row in rows]

    async def pause(self, name: WorkflowName, paused: bool, audit: AuditEntry) -> bool:
        async with tenant_transaction(self._pool, [name[0]]) as connection:
            found = await connection.fetchval(_SQL["pause_schedule"], *name, paused)
            if found is not None:
                await record(connection, audit)
        return found is not None

    async def known(self, tenant: str, schedule: UUID, fires: Sequence[datetime]) -> set[datetime]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["known_fires"], schedule, tenant, list(fires))
        return {row["fire_at"] for row in rows}

    async def backfill(self, new: NewRuns, audit: AuditEntry, claim: Claim | None) -> Backfilled:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            rows = await connection.fetch(
                _SQL["backfill"],
                new.schedule,
                audit.tenant,
                [fire for fire, _ in new.runs],
                [run for _, run in new.runs],
                [partition_of(run) for _, run in new.runs],
                new.value,
                audit.actor,
            )
            done = Backfilled(new.fires, len(rows), [row["id"] for row in rows])
            await hold_key(connection, claim, answer_text(done))
            if rows:
                await record(connection, audit)
        return done
