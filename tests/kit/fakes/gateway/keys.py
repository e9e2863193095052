"""API keys in memory. The quota of a tenant is left to PostgreSQL."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.keys import KeyStatus, KeyView
from visapi_gateway.kernel.access.stored_keys import KeysAt, KeyUse, NewHash, StoredKey
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.keys.service import KeyRow, LockedKey


class FakeKeys:
    """See `kernel.access.stored_keys.KeySource`, `keys.service.KeyStore`."""

    def __init__(self, tables: GatewayTables, *stored: StoredKey) -> None:
        self._tables = tables
        self.faults = Planned()
        self.rows = {key.id: key for key in stored}
        self.views = {key.id: _view(key, tables.now) for key in stored}
        self._locked: set[str] = set()
        self.uses: list[Sequence[KeyUse]] = []
        """The uses that each statement stored."""

    async def all_keys(self) -> KeysAt:
        await self.faults.enter("all_keys")
        return KeysAt(self._tables.now, [row for row in self.rows.values() if self._is_held(row)])

    async def some_keys(self, keys: Sequence[str]) -> KeysAt:
        await self.faults.enter("some_keys")
        return KeysAt(self._tables.now, [self.rows[key] for key in keys if key in self.rows])

    def _is_held(self, row: StoredKey) -> bool:
        hour_ago = self._tables.now - timedelta(hours=1)
        disabled = row.disabled_at if not row.may_return else None
        return all(end > hour_ago for end in (disabled, row.expires_at) if end is not None)

    async def note_use(self, used: Sequence[KeyUse]) -> None:
        await self.faults.enter("note_use")
        self.uses.append(used)
        for use in used:
            view = self.views.get(use.id)
            if (
                use.id not in self._locked
                and view is not None
                and (view.last_used_at is None or view.last_used_at < use.at)
            ):
                self._change(use.id, last_used_at=use.at, last_used_from=use.address)

    async def rehash(self, hashes: Sequence[NewHash]) -> None:
        await self.faults.enter("rehash")
        for one in hashes:
            row = self.rows.get(one.id)
            if one.id not in self._locked and row is not None and row.hash == one.before:
                self.rows[one.id] = msgspec.structs.replace(row, hash=one.hash, pepper=one.pepper)

    async def put(self, key: KeyRow, audit: AuditEntry, claim: Claim | None) -> None:
        await self.faults.enter("put")
        self._tables.hold_key(claim, key.id)
        self.store(key)
        self._tables.record(audit)

    @asynccontextmanager
    async def locked(
        self, tenant: str, key: str, claim: Claim | None = None, answer: str = ""
    ) -> AsyncGenerator[LockedKey | None]:
        """What is done within is undone where it fails."""
        await self.faults.enter("locked")
        before = (dict(self.rows), dict(self.views))
        view = await self.one(tenant, key)
        self._tables.hold_key(claim, answer)
        self._locked.add(key)
        try:
            yield None if view is None else _FakeLockedKey(self, self._tables, tenant, view)
        except BaseException:
            self.rows, self.views = before
            if claim is not None:
                del self._tables.used_keys[claim.tenant, claim.key]
            raise
        finally:
            self._locked.discard(key)

    async def one(self, tenant: str, key: str) -> KeyView | None:
        if key not in self.rows or self.rows[key].tenant != tenant:
            return None
        return msgspec.structs.replace(self.views[key], status=_status(self.rows[key], self._tables.now))

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[KeyView]:
        mine = sorted(row.id for row in self.rows.values() if row.tenant == tenant and row.id > (after or ""))
        found = [await self.one(tenant, key) for key in mine[:limit]]
        return [view for view in found if view is not None]

    def store(self, key: KeyRow) -> None:
        row = StoredKey(
            **{name: value for name, value in msgspec.structs.asdict(key).items() if name in _STORED},
            disabled_at=None,
        )
        self.rows[key.id] = row
        view = _view(row, self._tables.now)
        self.views[key.id] = msgspec.structs.replace(view, name=key.name, created_by=key.created_by)

    def change(self, key: str, **columns: object) -> None:
        """Change columns of a key, as a row and as it is shown."""
        self._change(key, **columns)

    def _change(self, key: str, **columns: object) -> None:
        shown = {name: value for name, value in columns.items() if name in KeyView.__struct_fields__}
        self.views[key] = msgspec.structs.replace(self.views[key], **shown)
        kept = {name: value for name, value in columns.items() if name in StoredKey.__struct_fields__}
        self.rows[key] = msgspec.structs.replace(self.rows[key], **kept)


class _FakeLockedKey:
    """See `keys.service.LockedKey`."""

    def __init__(self, keys: FakeKeys, tables: GatewayTables, tenant: str, view: KeyView) -> None:
        self.view = view
        self._tenant = tenant
        self._keys = keys
        self._tables = tables

    async def sibling(self, key: str) -> KeyView | None:
        return await self._keys.one(self._tenant, key)

    async def end(self, *, may_return: bool, reason: str | None) -> None:
        at = self.view.disabled_at or self._tables.now
        self._keys.change(
            self.view.id, disabled_at=at, may_return=may_return, reason=reason or self.view.reason
        )

    async def enable(self) -> None:
        self._keys.change(self.view.id, disabled_at=None, may_return=False, reason=None)

    async def change(self, to: KeyView) -> None:
        names = ("name", "scopes", "workflows", "allowed_addresses", "denied_addresses", "expires_at")
        self._keys.change(self.view.id, **{name: getattr(to, name) for name in names})

    async def replace(self, new: KeyRow, ends_after_s: int) -> None:
        self._keys.store(new)
        end, own = self._tables.now + timedelta(seconds=ends_after_s), self.view.expires_at
        if self.view.disabled_at is None:
            self._keys.change(self.view.id, expires_at=end if own is None else min(end, own))

    async def record(self, audit: AuditEntry) -> None:
        self._tables.record(audit)


_STORED = frozenset(StoredKey.__struct_fields__)


def _status(key: StoredKey, now: datetime) -> KeyStatus:
    if key.disabled_at is not None:
        return "disabled" if key.may_return else "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "pending" if key.not_before is not None and key.not_before > now else "active"


def _view(key: StoredKey, now: datetime) -> KeyView:
    return KeyView(
        id=key.id,
        name="test",
        kind=key.kind,
        status=_status(key, now),
        scopes=key.scopes,
        workflows=key.workflows,
        allowed_addresses=key.allowed_addresses,
        denied_addresses=key.denied_addresses,
        created_by="test",
        created_at=now,
        not_before=key.not_before,
        expires_at=key.expires_at,
        disabled_at=key.disabled_at,
        reason=key.reason,
        last_used_at=None,
        last_used_from=None,
    )
