"""Create, list, rotate and revoke API keys. A key's secret is shown once and never stored."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.keys import KeyPage, KeyView, MadeKey, NewKey
from visapi_common.contracts.problems import FieldError
from visapi_common.core import api_keys
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import ALL, DEFAULT_SCOPES, SCOPES, Principal, Requester
from visapi_gateway.kernel.idempotency.rules import Claim

NAME_LIMIT = 200
_RANKS = {"test": 0, "live": 1, "admin": 2}
OVERLAP_LIMIT_S = 7 * 86_400


class KeyRow(msgspec.Struct, frozen=True):
    """A key to store."""

    id: str
    tenant: str
    kind: str
    name: str
    hash: bytes
    scopes: list[str]
    created_by: str
    not_before: datetime | None
    expires_at: datetime | None
    pepper: str
    """The id of the pepper of the hash."""


class KeyStore(Protocol):
    async def put(self, key: KeyRow, audit: AuditEntry, claim: Claim | None) -> None:
        """The request's `Idempotency-Key` is held for the id of the key."""
        ...

    async def replace(
        self, old: str, ends_after_s: int, key: KeyRow, audit: AuditEntry, claim: Claim | None
    ) -> None:
        """Store a successor and shorten the old key."""
        ...

    async def one(self, tenant: str, key: str) -> KeyView | None: ...
    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[KeyView]: ...
    async def disable(self, key: str, audit: AuditEntry) -> bool:
        """Disable a key; returns whether the key exists. A revoked key is not changed."""
        ...


class Mint(Protocol):
    def __call__(self, kind: str) -> str:
        """A new key from fresh random bits."""
        ...


class AnnounceChange(Protocol):
    def __call__(self, key: str) -> None:
        """Tell every replica, this one included, that a key changed."""
        ...


class Keys:
    """The keys of a tenant."""

    def __init__(
        self, store: KeyStore, mint: Mint, announce: AnnounceChange, *, peppers: Keyring, clock: WallClock
    ) -> None:
        self._store = store
        self._mint = mint
        self._announce = announce
        self._peppers = peppers
        self._clock = clock

    async def make(self, who: Requester, wanted: NewKey, claim: Claim | None = None) -> MadeKey:
        """Raises `ProblemError` 400 for a wrong request, 403 for scopes that the calling key may not
        grant.
        """
        scopes = _scopes(who, wanted)
        _check(wanted, scopes)
        _check_grant(who, wanted.kind, scopes)
        token, row = self._minted(who, wanted, scopes)
        audit = entry(
            who, AuditAction.KEY_CREATE, f"key:{row.id}", name=row.name, kind=row.kind, scopes=scopes
        )
        await self._store.put(row, audit, claim)
        return await self._made(token, row)

    async def made_before(self, tenant: str, key: str) -> MadeKey:
        """A key that an earlier request created, without its secret, which is not stored. Raises
        `ProblemError` 404.
        """
        return MadeKey(**msgspec.structs.asdict(await self.view(tenant, key)), key=None)

    async def view(self, tenant: str, key: str) -> KeyView:
        """Raises `ProblemError` 404."""
        found = await self._store.one(tenant, key)
        if found is None:
            raise _no_such_key(key)
        return found

    async def page(self, tenant: str, after: str | None, limit: int) -> KeyPage:
        """Keys by id. `next` is the id to continue from."""
        rows = await self._store.page(tenant, after, limit + 1)
        return KeyPage(items=list(rows[:limit]), next=rows[limit - 1].id if len(rows) > limit else None)

    async def revoke(self, who: Requester, key: str) -> None:
        """Revoke a key: on this replica immediately, on others within a second. Any key may revoke itself.
        Raises `ProblemError` 403 and 404.
        """
        if key != who.key:
            old = await self.view(who.tenant, key)
            _check_grant(who, old.kind, old.scopes)
        if not await self._store.disable(key, entry(who, AuditAction.KEY_REVOKE, f"key:{key}")):
            raise _no_such_key(key)
        self._announce(key)

    async def rotate(self, who: Requester, key: str, overlap_s: int, claim: Claim | None = None) -> MadeKey:
        """Make a successor with the same name, scopes and expiry; the old key ends after `overlap_s`."""
        if not 0 <= overlap_s <= OVERLAP_LIMIT_S:
            raise _mistake("/overlap_s", f"must lie between 0 and {OVERLAP_LIMIT_S} seconds")
        old = await self.view(who.tenant, key)
        _check_grant(who, old.kind, old.scopes)
        if old.disabled_at is not None:
            raise ProblemError("key_not_found", f"key {key} was revoked; make a new one", status=404)
        wanted = NewKey(name=old.name, kind=old.kind, not_before=old.not_before, expires_at=old.expires_at)
        token, row = self._minted(who, wanted, old.scopes)
        audit = entry(who, AuditAction.KEY_ROTATE, f"key:{key}", successor=row.id, overlap_s=overlap_s)
        await self._store.replace(key, overlap_s, row, audit, claim)
        self._announce(key)
        return await self._made(token, row)

    def _minted(self, who: Principal, wanted: NewKey, scopes: list[str]) -> tuple[str, KeyRow]:
        token, pepper = self._mint(wanted.kind), self._peppers.at(self._clock.now())
        return token, KeyRow(
            id=api_keys.parse(token).id,
            tenant=who.tenant,
            kind=wanted.kind,
            name=wanted.name,
            hash=api_keys.hash_key(pepper.secret, token),
            scopes=scopes,
            created_by=who.actor,
            not_before=wanted.not_before,
            expires_at=wanted.expires_at,
            pepper=pepper.id,
        )

    async def _made(self, token: str, row: KeyRow) -> MadeKey:
        self._announce(row.id)
        view = await self.view(row.tenant, row.id)
        return MadeKey(**msgspec.structs.asdict(view), key=token)


def _scopes(who: Principal, wanted: NewKey) -> list[str]:
    if wanted.kind == "admin":
        return [ALL]
    if wanted.scopes is not None:
        return sorted(set(wanted.scopes))
    return [scope for scope in DEFAULT_SCOPES if who.may(scope)]


def _check(wanted: NewKey, scopes: list[str]) -> None:
    if not wanted.name.strip() or len(wanted.name) > NAME_LIMIT:
        raise _mistake("/name", f"must have 1 to {NAME_LIMIT} characters")
    if wanted.kind not in api_keys.KINDS:
        raise _mistake("/kind", f"must be one of {', '.join(api_keys.KINDS)}")
    unknown = [scope for scope in scopes if scope not in SCOPES and scope != ALL]
    if unknown:
        raise _mistake("/scopes", f"unknown scopes {', '.join(unknown[:5])}; known: {', '.join(SCOPES)}")
    for field in ("not_before", "expires_at"):
        value = getattr(wanted, field)
        if value is not None and value.tzinfo is None:
            raise _mistake(f"/{field}", "needs a time zone, e.g. 2027-01-31T12:00:00Z")


def _check_grant(who: Principal, kind: str, scopes: list[str]) -> None:
    if _RANKS[kind] > _RANKS[who.kind] or not who.may_grant(frozenset(scopes)):
        detail = "a key creates, rotates and revokes only keys whose scopes it has itself; use another key"
        raise ProblemError("forbidden", detail, status=403)


def _mistake(pointer: str, detail: str) -> ProblemError:
    text = f"{pointer}: {detail}"
    return ProblemError("invalid_body", text, status=400, errors=[FieldError(pointer, detail)])


def _no_such_key(key: str) -> ProblemError:
    return ProblemError(
        "key_not_found", f"there is no key {key[:32]}; list keys with GET /v1/keys", status=404
    )
