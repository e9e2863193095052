"""API keys as the ledger holds them, and as a gateway holds them in memory."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.access.restrictions import Restrictions
from visapi_gateway.kernel.access.scopes import ALL, OPERATOR_SCOPES, Principal


class StoredKey(msgspec.Struct, frozen=True):
    """A key as a gateway reads it."""

    id: str
    tenant: str
    kind: str
    hash: bytes
    scopes: list[str]
    not_before: datetime | None
    expires_at: datetime | None
    disabled_at: datetime | None
    tenant_disabled: bool = False
    pepper: str | None = None
    """The id of the pepper of the hash; None for a key from before ids."""
    workflows: list[str] | None = None
    allowed_addresses: list[str] | None = None
    denied_addresses: list[str] | None = None
    may_return: bool = False
    """Disabled, and not revoked."""
    reason: str | None = None


class KeysAt(msgspec.Struct, frozen=True):
    """Keys, and the time of the database just before they were read."""

    at: datetime
    keys: Sequence[StoredKey]


class NewHash(msgspec.Struct, frozen=True):
    """A key hashed under another pepper. `before` is the hash that it replaces."""

    id: str
    before: bytes
    hash: bytes
    pepper: str


class KeyUse(msgspec.Struct, frozen=True):
    """The last use of a key."""

    id: str
    at: datetime
    address: str


class KeySource(Protocol):
    async def all_keys(self) -> KeysAt: ...
    async def some_keys(self, keys: Sequence[str]) -> KeysAt:
        """The keys of these ids that a gateway holds."""
        ...

    async def note_use(self, used: Sequence[KeyUse]) -> None: ...
    async def rehash(self, hashes: Sequence[NewHash]) -> None: ...


class HeldKey:
    """A key in memory. It is valid from and until a time of this process's clock, in monotonic seconds; both
    follow from the database's clock, whatever the clock of this machine says.
    """

    __slots__ = ("principal", "stored", "valid_from", "valid_until")

    def __init__(
        self, stored: StoredKey, at: datetime, asked_at: float, before: "HeldKey | None" = None
    ) -> None:
        """`before` is the key as it was held; what costs much is not made anew. Raises `ValueError`."""

        def monotonic(moment: datetime | None, otherwise: float) -> float:
            return otherwise if moment is None else asked_at + (moment - at).total_seconds()

        self.stored = stored
        same = before is not None and before.stored == stored
        self.principal = before.principal if before is not None and same else _principal(stored)
        self.valid_from = monotonic(stored.not_before, -math.inf)
        self.valid_until = -math.inf if stored.disabled_at else monotonic(stored.expires_at, math.inf)

    def is_valid(self, now: float) -> bool:
        return self.valid_from <= now < self.valid_until and not self.stored.tenant_disabled

    def check(self, now: float) -> None:
        """Raises `ProblemError` 401 and 403 for a key that is not valid."""
        stored = self.stored
        if now >= self.valid_until:
            if not stored.disabled_at:
                raise refused("the API key has expired; use its successor", code="key_expired")
            if stored.may_return:
                raise refused(f"the API key is disabled: {stored.reason}", code="key_disabled")
            raise refused("the API key was revoked; use another one", code="key_expired")
        if now < self.valid_from:
            raise refused("the API key is not valid yet", code="key_expired")
        if stored.tenant_disabled:
            detail = f"the tenant {stored.tenant} is disabled; whoever operates VisAPI can enable it again"
            raise ProblemError("tenant_disabled", detail, status=403)


NOBODY = StoredKey("", "", "live", bytes(32), [], None, None, None)
"""The row of a key that does not exist; no token has its hash."""


def refused(detail: str, *, code: str = "unauthenticated") -> ProblemError:
    challenge = {"WWW-Authenticate": 'Bearer realm="visapi", error="invalid_token"'}
    return ProblemError(code, detail, status=401, headers=challenge)


def unknown_key() -> ProblemError:
    """The same for an unknown and for a wrong key."""
    return refused("the API key is not known; check it, or create another one")


def missing_key() -> ProblemError:
    """The problem of a request without a key."""
    detail = "send an API key as 'Authorization: Bearer visapi_…' or as 'X-API-Key: visapi_…'"
    return ProblemError(
        "unauthenticated", detail, status=401, headers={"WWW-Authenticate": 'Bearer realm="visapi"'}
    )


def address_refused(address: str) -> ProblemError:
    """The problem of a key that may not be used from an address."""
    detail = f"the API key may not be used from {address or 'an unknown address'}; see its addresses"
    return ProblemError("address_refused", detail, status=403)


def _principal(key: StoredKey) -> Principal:
    given, operators = frozenset(key.scopes), frozenset(OPERATOR_SCOPES)
    scopes = (given & operators) | {ALL} if key.kind == "admin" else given - operators
    limits = Restrictions.read(key.workflows, key.allowed_addresses, key.denied_addresses)
    return Principal(key=key.id, tenant=key.tenant, kind=key.kind, scopes=scopes, limits=limits)
