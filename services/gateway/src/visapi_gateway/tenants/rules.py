"""The checks before a tenant changes, and the first key of a tenant. Pure."""

import re
from datetime import datetime

from visapi_common.contracts.tenants import EraseTenant, NewTenant
from visapi_common.core import api_keys
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring
from visapi_common.core.scopes import ALL
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.problems import invalid_field
from visapi_gateway.keys.service import KeyRow

_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def first_key(who: Requester, wanted: NewTenant, token: str, peppers: Keyring, now: datetime) -> KeyRow:
    """The first key of a tenant: the key has every scope, within its own tenant only."""
    pepper = peppers.at(now)
    return KeyRow(
        id=api_keys.parse(token).id,
        tenant=wanted.id,
        kind="live",
        name=wanted.key_name,
        hash=api_keys.hash_key(pepper.secret, token),
        scopes=[ALL],
        created_by=who.actor,
        not_before=None,
        expires_at=None,
        pepper=pepper.id,
    )


def check_id(tenant: str) -> None:
    """Raises `ProblemError` 404 for a text that is no tenant's id."""
    if not _ID.fullmatch(tenant):
        raise no_such_tenant(tenant)


def check_other(who: Requester, tenant: str) -> None:
    """Raises `ProblemError` 409 for the tenant of the calling key, which would lock itself out."""
    if who.tenant == tenant:
        detail = f"{tenant} is the tenant of the key of this request; use a key of another tenant"
        raise ProblemError("tenant_of_key", detail, status=409)


def no_such_tenant(tenant: str) -> ProblemError:
    detail = f"there is no tenant {tenant[:63]}; list tenants with GET /v1/tenants"
    return ProblemError("tenant_not_found", detail, status=404)


def check_repeated(tenant: str, wanted: EraseTenant) -> None:
    """Raises `ProblemError` 400 where the body names another tenant than the path."""
    if wanted.tenant != tenant:
        raise invalid_field("/tenant", f"must be the id of the tenant that is erased, {tenant}")


def not_suspended(tenant: str) -> ProblemError:
    detail = f"the tenant {tenant} is not suspended; suspend the tenant before you erase it"
    return ProblemError("tenant_not_suspended", detail, status=409)


def is_erased(tenant: str) -> ProblemError:
    detail = f"the tenant {tenant} is erased, or is being erased; an erasure cannot be undone"
    return ProblemError("tenant_erased", detail, status=409)


def tenant_taken(tenant: str) -> ProblemError:
    detail = f"there is a tenant {tenant} already; choose another id"
    return ProblemError("tenant_exists", detail, status=409)
