"""Create, change, rotate, disable and revoke API keys. A key's secret is shown once and never stored."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.keys import ChangeKey, KeyPage, KeyView, MadeKey, NewKey
from visapi_common.core import api_keys
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Principal, Requester
from visapi_gateway.kernel.api.etags import check_match
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.keys.rules import (
    changed_key,
    check_end,
    check_grant,
    check_open,
    check_overlap,
    end_of_caller,
    ended,
    tag_of,
    wanted_key,
)


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
    workflows: list[str] | None = None
    allowed_addresses: list[str] | None = None
    denied_addresses: list[str] | None = None


class LockedKey(Protocol):
    """A key that nobody else changes until the transaction ends."""

    @property
    def view(self) -> KeyView: ...
    async def sibling(self, key: str) -> KeyView | None:
        """A key of the same tenant, or the locked one, as the transaction sees it."""
        ...

    async def end(self, *, may_return: bool, reason: str | None) -> None:
        """Disable it, or revoke it. An end that it has already stays its end."""
        ...

    async def enable(self) -> None: ...
    async def change(self, to: KeyView) -> None: ...
    async def replace(self, new: KeyRow, ends_after_s: int) -> None:
        """Store a successor, and let the key end."""
        ...

    async def record(self, audit: AuditEntry) -> None:
        """The last thing of the transaction."""
        ...


class KeyStore(Protocol):
    async def put(self, key: KeyRow, audit: AuditEntry, claim: Claim | None) -> None:
        """The request's `Idempotency-Key` is held for the id of the key."""
        ...

    def locked(
        self, tenant: str, key: str, claim: Claim | None = None, answer: str = ""
    ) -> AbstractAsyncContextManager[LockedKey | None]:
        """A transaction about a key; None where the tenant has no such key. The request's `Idempotency-Key`
        is held with the answer.
        """
        ...

    async def one(self, tenant: str, key: str) -> KeyView | None: ...
    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[KeyView]: ...


class Mint(Protocol):
    def __call__(self, kind: str) -> str:
        """A new key from fresh random bits."""
        ...


class AnnounceChange(Protocol):
    async def __call__(self, key: str) -> None:
        """Let every replica know that a key has changed; this one knows when the call returns."""
        ...


class Keys:
    """The keys of a tenant. `if_match` is the header of a request; None changes a key whatever its state."""

    def __init__(
        self, store: KeyStore, mint: Mint, announce: AnnounceChange, *, peppers: Keyring, clock: WallClock
    ) -> None:
        self._store = store
        self._mint = mint
        self._announce = announce
        self._peppers = peppers
        self._clock = clock

    async def make(self, who: Requester, wanted: NewKey, claim: Claim | None = None) -> MadeKey:
        """Raises `ProblemError` 400 for a wrong request, 403 for a key that may do more than the calling
        one, or ends later.
        """
        own_end = end_of_caller(await self._store.one(who.tenant, who.key))
        made = wanted_key(who, wanted, self._clock.now(), own_end)
        token, row = self._minted(who, made)
        audit = entry(
            who,
            AuditAction.KEY_CREATE,
            f"key:{row.id}",
            name=row.name,
            kind=row.kind,
            scopes=row.scopes,
            workflows=row.workflows,
            allowed_addresses=row.allowed_addresses,
            denied_addresses=row.denied_addresses,
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
        return KeyPage(*one_page(rows, limit, lambda row: row.id))

    async def change(self, who: Requester, key: str, change: ChangeKey, if_match: str) -> KeyView:
        """Change what a key may do. Raises `ProblemError` 400, 403, 404, 409 and 412."""
        async with self._locked(who, key, if_match) as locked:
            own_end = end_of_caller(await locked.sibling(who.key))
            await locked.change(changed_key(who, locked.view, change, own_end))
            given = msgspec.to_builtins(change)
            await locked.record(entry(who, AuditAction.KEY_CHANGE, f"key:{key}", changes=given))
        return await self._announced(who.tenant, key)

    async def revoke(self, who: Requester, key: str, if_match: str | None = None) -> None:
        """Revoke a key: on this replica immediately, on others within a second. Any key may revoke itself. A
        revoked key is not changed. Raises `ProblemError` 403, 404 and 412.
        """
        async with self._locked(who, key, if_match, itself=True) as locked:
            if locked.view.status != "revoked":
                await locked.end(may_return=False, reason=None)
                await locked.record(entry(who, AuditAction.KEY_REVOKE, f"key:{key}"))
        await self._announce(key)

    async def disable(self, who: Requester, key: str, reason: str, if_match: str | None = None) -> KeyView:
        """Let a key be refused until it is enabled. Raises `ProblemError` 403, 404, 409 and 412."""
        async with self._locked(who, key, if_match) as locked:
            _check_not_revoked(locked.view)
            await locked.end(may_return=True, reason=reason)
            await locked.record(entry(who, AuditAction.KEY_DISABLE, f"key:{key}", reason=reason))
        return await self._announced(who.tenant, key)

    async def enable(self, who: Requester, key: str, if_match: str | None = None) -> KeyView:
        """Let a disabled key be used again, unless it ends later than the calling one. Raises `ProblemError`
        403, 404, 409 and 412.
        """
        async with self._locked(who, key, if_match) as locked:
            _check_not_revoked(locked.view)
            if locked.view.status == "disabled":
                check_end(locked.view.expires_at, end_of_caller(await locked.sibling(who.key)))
                await locked.enable()
                await locked.record(entry(who, AuditAction.KEY_ENABLE, f"key:{key}"))
        return await self._announced(who.tenant, key)

    async def rotate(
        self,
        who: Requester,
        key: str,
        overlap_s: int,
        if_match: str | None = None,
        claim: Claim | None = None,
    ) -> MadeKey:
        """Make a successor that may do the same; the old key ends after `overlap_s`. Raises `ProblemError`
        400, 403, 404, 409 and 412.
        """
        check_overlap(overlap_s)
        token = self._mint((await self.view(who.tenant, key)).kind)
        held = (claim, api_keys.parse(token).id)
        async with self._locked(who, key, if_match, held=held) as locked:
            check_open(locked.view)
            check_end(locked.view.expires_at, end_of_caller(await locked.sibling(who.key)))
            row = self._row(who, token, locked.view)
            await locked.replace(row, overlap_s)
            audit = entry(who, AuditAction.KEY_ROTATE, f"key:{key}", successor=row.id, overlap_s=overlap_s)
            await locked.record(audit)
        await self._announce(key)
        return await self._made(token, row)

    @asynccontextmanager
    async def _locked(
        self,
        who: Requester,
        key: str,
        if_match: str | None,
        *,
        itself: bool = False,
        held: tuple[Claim | None, str] = (None, ""),
    ) -> AsyncGenerator[LockedKey]:
        """The key, once the caller may act on it in its present state. `itself`: any key may on itself."""
        async with self._store.locked(who.tenant, key, *held) as locked:
            if locked is None:
                raise _no_such_key(key)
            check_match(if_match, tag_of(locked.view), f"key {key}")
            if not (itself and key == who.key):
                check_grant(who, locked.view)
            yield locked

    def _minted(self, who: Principal, wanted: NewKey) -> tuple[str, KeyRow]:
        token = self._mint(wanted.kind)
        return token, self._row(who, token, wanted)

    def _row(self, who: Principal, token: str, like: NewKey | KeyView) -> KeyRow:
        pepper = self._peppers.at(self._clock.now())
        return KeyRow(
            id=api_keys.parse(token).id,
            tenant=who.tenant,
            kind=like.kind,
            name=like.name,
            hash=api_keys.hash_key(pepper.secret, token),
            scopes=like.scopes or [],
            created_by=who.actor,
            not_before=like.not_before,
            expires_at=like.expires_at,
            pepper=pepper.id,
            workflows=like.workflows,
            allowed_addresses=like.allowed_addresses,
            denied_addresses=like.denied_addresses,
        )

    async def _made(self, token: str, row: KeyRow) -> MadeKey:
        view = await self._announced(row.tenant, row.id)
        return MadeKey(**msgspec.structs.asdict(view), key=token)

    async def _announced(self, tenant: str, key: str) -> KeyView:
        await self._announce(key)
        return await self.view(tenant, key)


def _check_not_revoked(key: KeyView) -> None:
    if key.status == "revoked":
        raise ended(key)


def _no_such_key(key: str) -> ProblemError:
    return ProblemError(
        "key_not_found", f"there is no key {key[:32]}; list keys with GET /v1/keys", status=404
    )
