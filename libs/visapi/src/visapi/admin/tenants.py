"""Tenants, straight in the database."""

import re
from datetime import datetime

import msgspec

from visapi.admin.databases import connection
from visapi_common.adapters.queries import load_queries

_QUERIES = load_queries("visapi.admin", "sql/tenants.sql")
_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class TenantView(msgspec.Struct, frozen=True):
    id: str
    created_at: datetime
    disabled_at: datetime | None
    keys: int
    """Those that may be used, were the tenant not disabled."""


def check_tenant(tenant: str) -> str:
    """The id itself. Raises `ValueError`."""
    if not _ID.fullmatch(tenant):
        raise ValueError(
            f"not a tenant id: {tenant!r}; use 1 to 63 lower-case letters, digits and dashes, no dash "
            f"at either end"
        )
    return tenant


async def create_tenant(owner_url: str, tenant: str) -> bool:
    """Whether it was made now. Raises `ValueError` for an id that cannot be one."""
    async with connection(owner_url) as owner:
        return bool(await owner.fetchval(_QUERIES["insert_tenant"], check_tenant(tenant)))


async def list_tenants(owner_url: str) -> list[TenantView]:
    async with connection(owner_url) as owner:
        return [TenantView(**row) for row in await owner.fetch(_QUERIES["list_tenants"])]


async def disable_tenant(owner_url: str, tenant: str) -> bool:
    """No key of the tenant is accepted from then on. Whether there is such a tenant."""
    async with connection(owner_url) as owner:
        return bool(await owner.fetchval(_QUERIES["disable_tenant"], tenant))


async def enable_tenant(owner_url: str, tenant: str) -> bool:
    """The tenant's keys are accepted again. Whether there is such a tenant."""
    async with connection(owner_url) as owner:
        return bool(await owner.fetchval(_QUERIES["enable_tenant"], tenant))
