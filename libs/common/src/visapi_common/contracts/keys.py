"""The public shapes of API keys. The key itself is shown only in the response that creates it."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from visapi_common.contracts.gateway_bodies import Reason

KeyStatus = Literal["active", "pending", "disabled", "revoked", "expired"]
"""`pending`: before `not_before`. `disabled` can be enabled again, `revoked` never."""


Role = Literal["viewer", "operator", "developer", "admin"]
KEY_NAME_MAX = 200
"""Characters of the name of a key."""
KEY_OVERLAP_MAX_S = 7 * 86_400
KeyName = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": KEY_NAME_MAX})]
ScopeNames = Annotated[list[Annotated[str, msgspec.Meta(max_length=100)]], msgspec.Meta(max_length=100)]
Entries = Annotated[list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=100)]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to create. Neither scopes nor a role means all scopes but `keys:admin`, `accounts:write`,
    `endpoints:write`, `hooks:write`, `secrets:write`, `retention:write`, `artifacts:write` and `audit:read`,
    limited to the scopes of the calling key.
    """

    name: KeyName
    kind: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["live", "test", "admin"]})] = "live"
    scopes: ScopeNames | None = None
    role: Role | None = None
    """In place of `scopes`: the scopes of the role."""
    workflows: Entries | None = None
    """The workflows that the key sees and starts, as `namespace/name` or `namespace/*`; null: all."""
    allowed_addresses: Entries | None = None
    """Addresses and networks (CIDR) from which the key may be used; null: any."""
    denied_addresses: Entries | None = None
    """Addresses and networks from which it may not be used, also where they are allowed."""
    not_before: datetime | None = None
    expires_at: datetime | None = None


class ChangeKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given replaces what the key has; null takes a limit away."""

    name: KeyName | msgspec.UnsetType = msgspec.UNSET
    scopes: ScopeNames | msgspec.UnsetType = msgspec.UNSET
    workflows: Entries | msgspec.UnsetType | None = msgspec.UNSET
    allowed_addresses: Entries | msgspec.UnsetType | None = msgspec.UNSET
    denied_addresses: Entries | msgspec.UnsetType | None = msgspec.UNSET
    expires_at: datetime | msgspec.UnsetType | None = msgspec.UNSET


class RotateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds the old key stays valid beside the new one: 0 to 7 days."""

    overlap_s: Annotated[
        int, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": KEY_OVERLAP_MAX_S})
    ] = 86_400


class DisableKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a key is disabled; whoever uses the key is told so."""

    reason: Reason


class LeakReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole API key that somebody found, and where."""

    key: Annotated[str, msgspec.Meta(max_length=200)]
    found_at: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    """A URL, or a few words."""


class LeakReceived(msgspec.Struct, frozen=True):
    """The same for every key, so that it tells nothing about the key."""

    detail: str


class KeyView(msgspec.Struct, frozen=True):
    """A key without its secret."""

    id: str
    name: str
    kind: str
    status: KeyStatus
    """By the clock of the database."""
    scopes: list[str]
    workflows: list[str] | None
    """The workflows that the key is limited to; null: all."""
    allowed_addresses: list[str] | None
    denied_addresses: list[str] | None
    created_by: str
    created_at: datetime
    not_before: datetime | None
    expires_at: datetime | None
    disabled_at: datetime | None
    """When the key was disabled or revoked."""
    reason: str | None
    """Why it was disabled or revoked."""
    last_used_at: datetime | None
    """Up to 30 seconds old."""
    last_used_from: str | None
    """The address of the last request."""


class MadeKey(KeyView, frozen=True, kw_only=True):
    """A new key. `key` is the whole key, shown only once: null when an `Idempotency-Key` replays the
    answer.
    """

    key: str | None


class KeyPage(msgspec.Struct, frozen=True):
    items: list[KeyView]
    next: str | None
