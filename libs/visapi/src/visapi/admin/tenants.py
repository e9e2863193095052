"""Tenants, written directly to the database."""

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
    """The number of valid keys, whether or not the tenant is disabled."""


def check_tenant(tenant: str) -> str:
    """The id itself. Raises `ValueError`."""
    if not _ID.fullmatch(tenant):
        raise ValueError(
            f"not a tenant id: {tenant!r}; use 1 to 63 lower-case letters, digits and dashes, no dash "
            f"at either end"
        )
    return tenant


async def create_tenant(owner_url: str, tenant: str) -> bool:
    """Create the tenant; return whether it is new. Raises `ValueError` for an invalid id."""
    async with connection(owner_url) as owner:
        return bool(await owner.fetchval(_QUERIES["insert_tenant"], check_tenant(tenant)))


async def list_tenants(owner_url: str) -> list[TenantView]:
    async with connection(owner_url) as owner:
        return [TenantView(**row) for row in await owner.fetch(_QUERIES["list_tenants"])]


async def disable_tenant(owner_url: str, tenant: str) -> bool:
    """Disable the tenant: none of its keys is accepted any more. Returns whether the tenant exists."""
    async with connection(owner_url) as owner:
        return bool(await owner.fetchval(_QUERIES["disable_tenant"], tenant))


async def enable_tenant(owner_url: str, tenant: str) -> bool:
    """Enable the tenant: its keys are accepted again. Returns whether the tenant exists."""
    async with connection(owner_url) as owner:
        return bool(await owner.fetchval(_QUERIES["enable_tenant"], tenant))
