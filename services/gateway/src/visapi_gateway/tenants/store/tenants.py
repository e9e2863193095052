"""Tenants in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.tenants import ErasureView, TenantView
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.keys.service import KeyRow
from visapi_gateway.keys.transaction import add_key
from visapi_gateway.tenants.rules import is_erased, not_suspended
from visapi_gateway.tenants.service import Switched

_SQL = load_queries("visapi_gateway.tenants.store", "tenants.sql")

_ERASURE = ("requested_at", "requested_by", "erased_for", "step", "gone", "failure", "erased_at")


class PgTenantStore:
    """See `tenants.service.TenantStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(
        self, tenant: str, by: str, key: KeyRow, audit: Sequence[AuditEntry], claim: Claim | None
    ) -> bool:
        try:
            await self._add(tenant, by, key, audit, claim)
        except _IdTaken:
            return False
        return True

    async def _add(
        self, tenant: str, by: str, key: KeyRow, audit: Sequence[AuditEntry], claim: Claim | None
    ) -> None:
        whose = [tenant] if claim is None else [tenant, claim.tenant]
        async with tenant_transaction(self._pool, whose) as connection:
            await hold_key(connection, claim, f"{tenant} {key.id}")
            if await connection.fetchval(_SQL["add_tenant"], tenant, by) is None:
                raise _IdTaken
            await add_key(connection, key)
            await record(connection, *audit)

    async def one(self, tenant: str) -> TenantView | None:
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["one_tenant"], tenant)
        return None if row is None else _view(row)

    async def page(self, after: str | None, limit: int) -> Sequence[TenantView]:
        with pg_faults():
            rows = await self._pool.fetch(_SQL["list_tenants"], after, limit)
        return [_view(row) for row in rows]

    async def suspend(self, audit: AuditEntry) -> Switched | None:
        return await self._switch("suspend_tenant", audit, audit.reason, suspended=True)

    async def resume(self, audit: AuditEntry) -> Switched | None:
        return await self._switch("resume_tenant", audit, suspended=False)

    async def erase(self, audit: AuditEntry) -> bool:
        tenant = audit.tenant
        async with tenant_transaction(self._pool, [tenant]) as connection:
            state = await connection.fetchrow(_SQL["lock_tenant"], tenant)
            if state is None:
                return False
            if await connection.fetchval(_SQL["is_erased"], tenant):
                return True
            if not state["suspended"]:
                raise not_suspended(tenant)
            await connection.execute(_SQL["erase_tenant"], tenant, audit.actor, audit.reason)
            await record(connection, audit)
        return True

    async def _switch(
        self, statement: str, audit: AuditEntry, *more: object, suspended: bool
    ) -> Switched | None:
        tenant = audit.tenant
        async with tenant_transaction(self._pool, [tenant]) as connection:
            state = await connection.fetchrow(_SQL["lock_tenant"], tenant)
            if state is None:
                return None
            if not suspended and await connection.fetchval(_SQL["is_erased"], tenant):
                raise is_erased(tenant)
            if state["suspended"] is suspended:
                return Switched(changed=False)
            await connection.execute(_SQL[statement], tenant, *more)
            keys = [row["id"] for row in await connection.fetch(_SQL["keys_of_tenant"], tenant)]
            await record(connection, audit)
        return Switched(changed=True, keys=keys)


class _IdTaken(Exception):
    """There is a tenant of the id: nothing is committed, not even the `Idempotency-Key`."""


def _view(row: Row) -> TenantView:
    path = f"/v1/tenants/{row['id']}"
    links = {"self": path, **{name: f"{path}/{name}" for name in ("suspend", "resume", "export", "erase")}}
    fields: dict[str, Any] = dict(row)
    erasure = {name: fields.pop(name) for name in _ERASURE}
    erasure["reason"] = erasure.pop("erased_for")
    known = None if erasure["requested_at"] is None else ErasureView(**erasure)
    return TenantView(**fields, erasure=known, links=links)
