"""The public shapes of API keys. The key itself is shown only in the response that creates it."""

from datetime import datetime

import msgspec


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to create. No scopes means all but `keys:admin`, `hooks:write`, `secrets:write`,
    `retention:write` and `audit:read`, limited to the scopes of the calling key.
    """

    name: str
    kind: str = "live"
    scopes: list[str] | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None


class RotateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds the old key stays valid beside the new one: 0 to 7 days."""

    overlap_s: int = 86_400


class KeyView(msgspec.Struct, frozen=True):
    """A key without its secret."""

    id: str
    name: str
    kind: str
    scopes: list[str]
    created_by: str
    created_at: datetime
    not_before: datetime | None
    expires_at: datetime | None
    disabled_at: datetime | None
    last_used_at: datetime | None


class MadeKey(KeyView, frozen=True, kw_only=True):
    """A new key. `key` is the whole key, shown only once: null when an `Idempotency-Key` replays the
    answer.
    """

    key: str | None


class KeyPage(msgspec.Struct, frozen=True):
    items: list[KeyView]
    next: str | None
