"""Dead letters in memory, as one tenant or an admin key sees them."""

from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.dead_letters import DeadLetterView
from visapi_gateway.dead_letters.editing import Edit, Hashes
from visapi_gateway.dead_letters.rules.set_aside_messages import SetAsideMessage
from visapi_gateway.dead_letters.service import DeadLetterFilter, LetterScope, Resolution
from visapi_gateway.kernel.idempotency.rules import Claim


class FakeDeadLetterStore:
    """See `dead_letters.service.DeadLetterStore`."""

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self.faults = Planned()

    async def one(self, scope: LetterScope, letter: UUID) -> DeadLetterView | None:
        found = self._tables.letters.get(letter)
        return found if found is not None and self._sees(scope, found) else None

    async def page(
        self, scope: LetterScope, wanted: DeadLetterFilter, before: UUID | None, limit: int
    ) -> Sequence[DeadLetterView]:
        found = [
            one
            for one in self._tables.letters.values()
            if self._sees(scope, one)
            and (before is None or one.id < before)
            and wanted.resolved in (None, one.resolved_at is not None)
            and wanted.kind in (None, one.kind)
            and wanted.reason in (None, one.reason)
            and wanted.function in (None, one.function)
            and wanted.workflow in (None, one.workflow)
            and (wanted.created_after is None or one.created_at >= wanted.created_after)
            and (wanted.created_before is None or one.created_at < wanted.created_before)
        ]
        return sorted(found, key=lambda one: one.id, reverse=True)[:limit]

    async def message(self, scope: LetterScope, letter: UUID) -> SetAsideMessage | None:
        found = await self.one(scope, letter)
        return None if found is None or found.kind != "message" else self._tables.messages[letter]

    async def resolve(self, scope: LetterScope, resolution: Resolution, claim: Claim | None) -> bool:
        await self.faults.enter("resolve")
        found = await self.one(scope, resolution.id)
        if found is None or found.resolved_at is not None:
            return False
        self._tables.hold_key(claim, str(resolution.id))
        self._tables.letters[found.id] = msgspec.structs.replace(
            found, resolved_at=self._tables.now, resolved_by=resolution.by, resolution=resolution.text
        )
        if resolution.inbox_row is not None:
            self._tables.put_inbox(resolution.inbox_row)
        self._tables.record(resolution.audit)
        return True

    async def hashes(self, scope: LetterScope, letter: UUID, body: bytes) -> Hashes:
        message = await self.message(scope, letter)
        kept = b"" if message is None else message.body
        return Hashes(sha256(kept).hexdigest(), sha256(body).hexdigest())

    async def edit(self, scope: LetterScope, edit: Edit, claim: Claim | None) -> bool:
        found = await self.one(scope, edit.id)
        before = (await self.hashes(scope, edit.id, b"")).before
        if found is None or found.resolved_at is not None or before != edit.before:
            return False
        self._tables.hold_key(claim, str(edit.id))
        message = self._tables.messages[edit.id]
        self._tables.messages[edit.id] = msgspec.structs.replace(message, body=edit.body, headers=b"{}")
        self._tables.letters[edit.id] = msgspec.structs.replace(
            found, edited_at=self._tables.now, edited_by=edit.by, size=len(edit.body), text=edit.body.decode()
        )
        self._tables.record(edit.audit)
        return True

    async def note_read(self, audit: AuditEntry) -> None:
        await self.faults.enter("note_read")
        self._tables.record(audit)

    def _sees(self, scope: LetterScope, letter: DeadLetterView) -> bool:
        unknown = letter.tenant not in self._tables.tenants
        return letter.tenant == scope.tenant or (scope.unknown_tenants and unknown)
