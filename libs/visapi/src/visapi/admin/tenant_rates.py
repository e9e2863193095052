"""The limits of a tenant, written directly to the database, each change with its audit entry."""

import msgspec

from visapi.admin.databases import connection
from visapi.admin.tenants import NoSuchTenantError
from visapi_common.adapters.audit_log import record
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.gateway_bodies import REASON_CHARS_MAX

_QUERIES = load_queries("visapi.admin", "sql/tenant_rates.sql")


class TenantRate(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a tenant: requests per second and at once, runs started over HTTP in a day and a month of
    UTC, open runs. None is the default of the settings.
    """

    per_s: float | None = None
    burst: int | None = None
    runs_per_day: int | None = None
    runs_per_month: int | None = None
    open_runs_max: int | None = None


async def read_tenant_rate(owner_url: str, tenant: str) -> TenantRate:
    """Raises `NoSuchTenantError`."""
    async with connection(owner_url) as owner, owner.transaction():
        row = await owner.fetchrow(_QUERIES["tenant_rate"], tenant)
    if row is None:
        raise NoSuchTenantError(f"there is no tenant {tenant}")
    return TenantRate(**row)


async def set_tenant_rate(
    owner_url: str, tenant: str, change: TenantRate, *, actor: str, reason: str | None = None
) -> TenantRate:
    """Apply the fields of `change` and keep the others. Returns the limits that apply then. Raises
    `NoSuchTenantError`.
    """
    given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
    async with connection(owner_url) as owner, owner.transaction():
        row = await owner.fetchrow(_QUERIES["tenant_rate"], tenant)
        if row is None:
            raise NoSuchTenantError(f"there is no tenant {tenant}")
        new = TenantRate(**{**row, **given})
        await owner.execute(_QUERIES["put_tenant_rate"], tenant, *msgspec.structs.astuple(new), actor)
        await record(owner, _entry(AuditAction.RATE_SET, tenant, actor, reason, given))
    return new


async def reset_tenant_rate(
    owner_url: str, tenant: str, *, actor: str, reason: str | None = None
) -> TenantRate:
    """The defaults of the settings apply to the tenant. Raises `NoSuchTenantError`."""
    async with connection(owner_url) as owner, owner.transaction():
        row = await owner.fetchrow(_QUERIES["tenant_rate"], tenant)
        if row is None:
            raise NoSuchTenantError(f"there is no tenant {tenant}")
        if any(value is not None for value in row.values()):
            await owner.execute(_QUERIES["reset_tenant_rate"], tenant)
            await record(owner, _entry(AuditAction.RATE_RESET, tenant, actor, reason, {}))
    return TenantRate()


def _entry(
    action: AuditAction, tenant: str, actor: str, reason: str | None, details: dict[str, object]
) -> AuditEntry:
    shortened = None if reason is None else reason[:REASON_CHARS_MAX]
    return AuditEntry(tenant, actor, action, f"tenant:{tenant}", shortened, None, details)
