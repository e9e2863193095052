"""The public shapes of tenants, for keys of kind `admin` with the scope `tenants:admin`."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from visapi_common.contracts.gateway_bodies import REASON_CHARS_MAX, Reason

TenantId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", max_length=63)]
"""1 to 63 lower-case letters, digits and dashes, no dash at either end."""
TenantStatus = Literal["active", "suspended", "erasing", "erased"]
GivenReason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARS_MAX)]


class NewTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tenant to make, and the name of its first key."""

    id: TenantId
    key_name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "first key"


class SuspendTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the tenant is suspended; the audit of the tenant keeps the reason."""

    reason: GivenReason


class ResumeTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason for the resumption, for the audit of the tenant."""

    reason: Reason | None = None


class EraseTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The id of the tenant, once more, and why the tenant is erased."""

    tenant: TenantId
    reason: GivenReason


class ErasureView(msgspec.Struct, frozen=True):
    """The progress of an erasure. Once `erased_at` is set, this record and the audit are all that is left of
    the tenant.
    """

    requested_at: datetime
    requested_by: str
    reason: str
    step: str
    """The table, or the sort of object, that is being emptied. All are looked at until nothing is found."""
    gone: int
    """Rows and objects that are deleted."""
    failure: str | None
    """Why the last piece failed; the piece is tried again."""
    erased_at: datetime | None


class TenantView(msgspec.Struct, frozen=True):
    id: str
    status: TenantStatus
    """`suspended`: the keys of the tenant are refused, and no run of the tenant starts. Open runs continue.
    """
    created_at: datetime
    created_by: str | None
    """Null for a tenant that `visapi admin` made."""
    suspended_at: datetime | None
    reason: str | None
    """Why the tenant is suspended."""
    erasure: ErasureView | None
    keys: int
    """Keys that can be used, whether or not the tenant is suspended."""
    links: dict[str, str]


class MadeTenant(TenantView, frozen=True, kw_only=True):
    """A new tenant with its first key, of kind `live` and with all scopes. `key` is the whole key, shown only
    once: null when an `Idempotency-Key` replays the answer.
    """

    key_id: str
    key: str | None


class TenantPage(msgspec.Struct, frozen=True):
    items: list[TenantView]
    next: str | None
