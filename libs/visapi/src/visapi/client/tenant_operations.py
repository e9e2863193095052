"""The operations on tenants as values, as those of `operations.py`. Pure."""

import msgspec

from visapi.client.call import JSON, Call, keyed_post, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.tenants import (
    EraseTenant,
    MadeTenant,
    NewTenant,
    ResumeTenant,
    SuspendTenant,
    TenantPage,
    TenantView,
)


def make_tenant(wanted: NewTenant, *, idempotency_key: str | None = None) -> Call[MadeTenant]:
    """Make a tenant; only the first answer shows its key."""
    return keyed_post("/v1/tenants", MadeTenant, msgspec.json.encode(wanted), idempotency_key=idempotency_key)


def list_tenants(*, limit: int = 200, cursor: str | None = None) -> Call[TenantPage]:
    params = query(limit, cursor=cursor)
    return Call(method="GET", path="/v1/tenants", answer=TenantPage, params=params, repeatable=True)


def read_tenant(tenant: str) -> Call[TenantView]:
    return Call(method="GET", path=f"/v1/tenants/{_part(tenant)}", answer=TenantView, repeatable=True)


def suspend_tenant(tenant: str, reason: str) -> Call[TenantView]:
    """Refuse the keys of a tenant, and start nothing more for it."""
    return _switch(f"/v1/tenants/{_part(tenant)}/suspend", msgspec.json.encode(SuspendTenant(reason)))


def resume_tenant(tenant: str, reason: str | None = None) -> Call[TenantView]:
    return _switch(f"/v1/tenants/{_part(tenant)}/resume", msgspec.json.encode(ResumeTenant(reason)))


def export_tenant(tenant: str) -> Call[None]:
    """Everything that a tenant owns, as lines of JSON; the last one proves that none is missing. For
    `lines` of a client.
    """
    return Call(method="GET", path=f"/v1/tenants/{_part(tenant)}/export", answer=None)


def erase_tenant(tenant: str, confirmed: str, reason: str) -> Call[TenantView]:
    """Let a suspended tenant be erased, whose id is `confirmed`."""
    return _switch(f"/v1/tenants/{_part(tenant)}/erase", msgspec.json.encode(EraseTenant(confirmed, reason)))


def _switch(path: str, body: bytes) -> Call[TenantView]:
    return Call(
        method="POST",
        path=path,
        answer=TenantView,
        headers={"Content-Type": JSON},
        body=body,
        repeatable=True,
    )
