"""API keys in memory. The quota of a tenant is left to PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.keys import KeyView
from visapi_gateway.kernel.access.authentication import NewHash, StoredKey
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.keys.service import KeyRow


class FakeKeys:
    """See `kernel.access.authentication.KeySource`, `keys.service.KeyStore`."""

    def __init__(self, tables: GatewayTables, *stored: StoredKey) -> None:
        self._tables = tables
        self.faults = Planned()
        self.rows = {key.id: key for key in stored}
        self._views = {key.id: _view(key, tables.now) for key in stored}

    async def all_keys(self) -> Sequence[StoredKey]:
        await self.faults.enter("all_keys")
        hour_ago = self._tables.now - timedelta(hours=1)
        ends = {
            row.id: [one for one in (row.disabled_at, row.expires_at) if one] for row in self.rows.values()
        }
        return [row for row in self.rows.values() if all(end > hour_ago for end in ends[row.id])]

    async def note_use(self, used: dict[str, datetime]) -> None:
        await self.faults.enter("note_use")
        for key, at in used.items():
            if key in self._views:
                last = self._views[key].last_used_at
                self._change(key, last_used_at=at if last is None else max(at, last))

    async def rehash(self, hashes: Sequence[NewHash]) -> None:
        await self.faults.enter("rehash")
        for one in hashes:
            row = self.rows.get(one.id)
            if row is not None and row.hash == one.before:
                self.rows[one.id] = msgspec.structs.replace(row, hash=one.hash, pepper=one.pepper)

    async def put(self, key: KeyRow, audit: AuditEntry, claim: Claim | None) -> None:
        await self.faults.enter("put")
        self._tables.hold_key(claim, key.id)
        self.store(key)
        self._tables.record(audit)

    async def replace(
        self, old: str, ends_after_s: int, key: KeyRow, audit: AuditEntry, claim: Claim | None
    ) -> None:
        await self.faults.enter("replace")
        self._tables.hold_key(claim, key.id)
        self.store(key)
        before = await self.one(key.tenant, old)
        if before is not None and before.disabled_at is None:
            end = self._tables.now + timedelta(seconds=ends_after_s)
            self._change(old, expires_at=end if before.expires_at is None else min(end, before.expires_at))
        self._tables.record(audit)

    async def one(self, tenant: str, key: str) -> KeyView | None:
        return self._views[key] if key in self.rows and self.rows[key].tenant == tenant else None

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[KeyView]:
        mine = sorted(row.id for row in self.rows.values() if row.tenant == tenant and row.id > (after or ""))
        return [self._views[key] for key in mine[:limit]]

    async def disable(self, key: str, audit: AuditEntry) -> bool:
        await self.faults.enter("disable")
        before = await self.one(audit.tenant, key)
        if before is None:
            return False
        if before.disabled_at is None:
            self._change(key, disabled_at=self._tables.now)
            self._tables.record(audit)
        return True

    def store(self, key: KeyRow) -> None:
        names = ("id", "tenant", "kind", "hash", "scopes", "not_before", "expires_at", "pepper")
        row = StoredKey(**{name: getattr(key, name) for name in names}, disabled_at=None)
        self.rows[key.id] = row
        view = _view(row, self._tables.now)
        self._views[key.id] = msgspec.structs.replace(view, name=key.name, created_by=key.created_by)

    def _change(self, key: str, **columns: datetime) -> None:
        self._views[key] = msgspec.structs.replace(self._views[key], **columns)
        kept = {name: value for name, value in columns.items() if name in StoredKey.__struct_fields__}
        self.rows[key] = msgspec.structs.replace(self.rows[key], **kept)


def _view(key: StoredKey, now: datetime) -> KeyView:
    return KeyView(
        id=key.id,
        name="test",
        kind=key.kind,
        scopes=key.scopes,
        created_by="test",
        created_at=now,
        not_before=key.not_before,
        expires_at=key.expires_at,
        disabled_at=key.disabled_at,
        last_used_at=None,
    )
