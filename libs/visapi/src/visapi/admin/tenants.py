"""Tenants, written directly to the database, each change with its row of the tenant's audit."""

import re
from datetime import datetime

import msgspec

from visapi.admin.databases import connection
from visapi_common.adapters.audit_log import record
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.gateway_bodies import REASON_CHARS_MAX

_QUERIES = load_queries("visapi.admin", "sql/tenants.sql")
_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class NoSuchTenantError(Exception):
    """The tenant does not exist; the message says how to create the tenant, where that helps."""


class TenantView(msgspec.Struct, frozen=True):
    id: str
    created_at: datetime
    disabled_at: datetime | None
    keys: int
    """The number of valid keys, whether or not the tenant is disabled."""


def check_tenant(tenant: str) -> str:
    """The id itself. Raises `ValueError`."""
    if not _ID.fullmatch(tenant):
        raise ValueError(
            f"not a tenant id: {tenant!r}; use 1 to 63 lower-case letters, digits and dashes, no dash "
            f"at either end"
        )
    return tenant


async def create_tenant(owner_url: str, tenant: str, *, actor: str) -> bool:
    """Create the tenant; return whether it is new. Raises `ValueError` for an invalid id."""
    async with connection(owner_url) as owner, owner.transaction():
        made = await owner.fetchval(_QUERIES["insert_tenant"], check_tenant(tenant))
        if made:
            await record(owner, _entry(AuditAction.TENANT_CREATE, tenant, actor, None))
        return bool(made)


async def list_tenants(owner_url: str) -> list[TenantView]:
    async with connection(owner_url) as owner:
        return [TenantView(**row) for row in await owner.fetch(_QUERIES["list_tenants"])]


async def disable_tenant(owner_url: str, tenant: str, *, actor: str, reason: str | None = None) -> bool:
    """Disable the tenant: its keys are refused, and nothing starts for it any more. Returns whether that
    changed anything. Raises `NoSuchTenantError`.
    """
    return await _switch(
        owner_url, "disable_tenant", _entry(AuditAction.TENANT_DISABLE, tenant, actor, reason)
    )


async def enable_tenant(owner_url: str, tenant: str, *, actor: str, reason: str | None = None) -> bool:
    """Enable the tenant again. Returns whether that changed anything. Raises `NoSuchTenantError`."""
    return await _switch(owner_url, "enable_tenant", _entry(AuditAction.TENANT_ENABLE, tenant, actor, reason))


async def _switch(owner_url: str, statement: str, entry: AuditEntry) -> bool:
    async with connection(owner_url) as owner, owner.transaction():
        state = await owner.fetchrow(_QUERIES["tenant_state"], entry.tenant)
        if state is None:
            raise NoSuchTenantError(f"there is no tenant {entry.tenant}")
        changes = state["disabled"] is (entry.action is AuditAction.TENANT_ENABLE)
        if changes and await owner.fetchval(_QUERIES["is_erased"], entry.tenant):
            raise NoSuchTenantError(f"the tenant {entry.tenant} is erased, or is being erased")
        if changes:
            given = (entry.reason,) if entry.action is AuditAction.TENANT_DISABLE else ()
            await owner.execute(_QUERIES[statement], entry.tenant, *given)
            await record(owner, entry)
        return changes


def _entry(action: AuditAction, tenant: str, actor: str, reason: str | None) -> AuditEntry:
    shortened = None if reason is None else reason[:REASON_CHARS_MAX]
    return AuditEntry(tenant, actor, action, f"tenant:{tenant}", shortened, None, {})
