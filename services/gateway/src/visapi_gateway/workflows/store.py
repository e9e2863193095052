"""Deployed definitions in PostgreSQL, for reading, deploying and starting."""

import hashlib
from collections.abc import Sequence

import msgspec

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Connection, Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.kernel.quotas import Kind, Quotas
from visapi_gateway.schedules.transaction import (
    lock_workflow,
    present_schedule,
    put_listener,
    put_schedule,
    remove_schedule,
    stop_listener,
)
from visapi_gateway.workflows.rules.versions import NewWorkflow, WorkflowRow

_SQL = load_queries("visapi_gateway.workflows", "queries.sql")
PAGE_BYTES = 4 * 1024 * 1024
"""The most bytes of programs on one page."""


class PgWorkflowStore:
    """The definitions of all tenants; each call sees one tenant."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def put(self, new: NewWorkflow, audit: AuditEntry, claim: Claim | None, answer: str) -> bool:
        tenant, namespace, name = new.name
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await connection.execute(_SQL["put_program"], new.program, new.body)
            for part in new.parts:
                await connection.execute(_SQL["put_program"], hashlib.sha256(part).digest(), part)
            stored = await connection.fetchval(
                _SQL["put_workflow"],
                tenant,
                namespace,
                name,
                new.version,
                new.order,
                new.source_hash,
                new.source,
                new.media_type,
                new.program,
                new.created_by,
                new.created_at,
            )
            if stored is not None:
                await self._quotas.refuse_full(connection, tenant, "versions")
                await hold_key(connection, claim, answer)
                more = await self._put_schedule(connection, new)
                kinds: tuple[Kind, ...] = ("versions", "schedules") if more else ("versions",)
                await self._quotas.check(connection, tenant, *kinds)
                await record(connection, audit)
        return stored is not None

    async def hold(self, claim: Claim | None, answer: str) -> None:
        if claim is not None:
            async with tenant_transaction(self._pool, [claim.tenant]) as connection:
                await hold_key(connection, claim, answer)

    async def _put_schedule(self, connection: Connection, new: NewWorkflow) -> bool:
        """Store the schedule of the highest version, which replaces or removes the previous one. Returns
        whether the workflow has a schedule for the first time.
        """
        await lock_workflow(connection, new.name)
        if await connection.fetchval(_SQL["highest_version"], *new.name) != new.version:
            return False
        had = await present_schedule(connection, new.name)
        scheduled, version = new.schedule, (*new.name, new.version)
        if scheduled is None and had is None:
            return False
        if had is None:
            await self._quotas.refuse_full(connection, new.name[0], "schedules", more=1)
        if scheduled is not None and scheduled.spec is not None:
            await put_schedule(
                connection, scheduled.id, (*version, new.program), scheduled.spec, paused=scheduled.paused
            )
        elif had == "times":
            await remove_schedule(connection, new.name)
        if had == "events":
            await stop_listener(connection, new.name)
        if scheduled is not None and scheduled.listener is not None:
            run, program = scheduled.listener, bytes.fromhex(scheduled.listener.program)
            await connection.execute(_SQL["put_program"], program, scheduled.listener_body)
            await put_listener(
                connection, run.run, (*version, program), msgspec.json.encode(run.input), "schedule"
            )
        return had is None

    async def version(self, name: WorkflowName, version: str) -> WorkflowRow | None:
        rows = await self._read(name[0], _SQL["version"], *name, version)
        return WorkflowRow(**rows[0]) if rows else None

    async def program_of(self, name: WorkflowName, version: str) -> tuple[bytes, bytes] | None:
        row = await self.version(name, version)
        return None if row is None or row.body is None else (row.program, row.body)

    async def highest(self, name: WorkflowName) -> str | None:
        rows = await self._read(name[0], _SQL["highest_version"], *name)
        return rows[0]["version"] if rows else None

    async def versions(self, name: WorkflowName, below: str | None, limit: int) -> Sequence[WorkflowRow]:
        rows = await self._read(name[0], _SQL["list_versions"], *name, below, limit, PAGE_BYTES)
        return [WorkflowRow(**row) for row in rows]

    async def workflows(
        self, tenant: str, namespace: str | None, after: tuple[str, str] | None, limit: int
    ) -> Sequence[WorkflowRow]:
        last = after or (None, None)
        rows = await self._read(tenant, _SQL["list_workflows"], tenant, *last, namespace, limit, PAGE_BYTES)
        return [WorkflowRow(**row) for row in rows]

    async def _read(self, tenant: str, query: str, *arguments: object) -> list[Row]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            return await connection.fetch(query, *arguments)
