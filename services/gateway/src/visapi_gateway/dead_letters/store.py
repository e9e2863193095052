"""Dead letters in PostgreSQL, as one tenant or an admin key sees them."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.dead_letters import REPLAYABLE, TEXT_BYTES, UNREADABLE, DeadLetterView
from visapi_common.core.redact import redact_text
from visapi_gateway.dead_letters.editing import Edit, Hashes
from visapi_gateway.dead_letters.rules.bytes_as_text import as_text
from visapi_gateway.dead_letters.rules.edits import why_not_edited
from visapi_gateway.dead_letters.rules.set_aside_messages import SetAsideMessage
from visapi_gateway.dead_letters.service import DeadLetterFilter, LetterScope, Resolution
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key
from visapi_gateway.runs.commands.transaction import put_inbox

_SQL = load_queries("visapi_gateway.dead_letters", "queries.sql")


class PgDeadLetterStore:
    """See `dead_letters.service.DeadLetterStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def one(self, scope: LetterScope, letter: UUID) -> DeadLetterView | None:
        async with tenant_transaction(
            self._pool, [scope.tenant], unknown_tenants=scope.unknown_tenants
        ) as connection:
            row = await connection.fetchrow(_SQL["dead_letter"], letter, TEXT_BYTES)
        return None if row is None else _view(row)

    async def page(
        self, scope: LetterScope, wanted: DeadLetterFilter, before: UUID | None, limit: int
    ) -> Sequence[DeadLetterView]:
        query = _SQL["list_with_unknown_tenants" if scope.unknown_tenants else "list_dead_letters"]
        conditions = (before, wanted.resolved, wanted.kind, limit, TEXT_BYTES)
        more = (
            wanted.reason,
            wanted.function,
            wanted.workflow,
            wanted.created_after,
            wanted.created_before,
        )
        async with tenant_transaction(
            self._pool, [scope.tenant], unknown_tenants=scope.unknown_tenants
        ) as connection:
            rows = await connection.fetch(query, scope.tenant, *conditions, *more)
        # A page holds up to 800 KiB of text to be masked.
        return await asyncio.to_thread(lambda: [_view(row) for row in rows])

    async def message(self, scope: LetterScope, letter: UUID) -> SetAsideMessage | None:
        async with tenant_transaction(
            self._pool, [scope.tenant], unknown_tenants=scope.unknown_tenants
        ) as connection:
            row = await connection.fetchrow(_SQL["message_of"], letter)
        return None if row is None else SetAsideMessage(**row)

    async def resolve(self, scope: LetterScope, resolution: Resolution, claim: Claim | None) -> bool:
        try:
            await self._resolved(scope, resolution, claim)
        except _NotOpen:
            return False
        return True

    async def hashes(self, scope: LetterScope, letter: UUID, body: bytes) -> Hashes:
        async with tenant_transaction(
            self._pool, [scope.tenant], unknown_tenants=scope.unknown_tenants
        ) as connection:
            row = await connection.fetchrow(_SQL["hashes"], letter, body)
        return Hashes("", "") if row is None else Hashes(**row)

    async def edit(self, scope: LetterScope, edit: Edit, claim: Claim | None) -> bool:
        try:
            async with tenant_transaction(
                self._pool, [scope.tenant], unknown_tenants=scope.unknown_tenants
            ) as connection:
                await hold_key(connection, claim)
                if await connection.fetchval(_SQL["edit"], edit.id, edit.body, edit.by, edit.before) is None:
                    raise _NotOpen
                await record(connection, edit.audit)
        except _NotOpen:
            return False
        return True

    async def note_read(self, audit: AuditEntry) -> None:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            await record(connection, audit)

    async def _resolved(self, scope: LetterScope, resolution: Resolution, claim: Claim | None) -> None:
        async with tenant_transaction(
            self._pool, [scope.tenant], unknown_tenants=scope.unknown_tenants
        ) as connection:
            await hold_key(connection, claim)
            done = await connection.fetchval(
                _SQL["resolve_dead_letter"], resolution.id, resolution.by, resolution.text
            )
            if done is None:
                raise _NotOpen
            if resolution.inbox_row is not None:
                await put_inbox(connection, resolution.inbox_row)
            await record(connection, resolution.audit)


class _NotOpen(Exception):
    """The dead letter was resolved before: nothing is committed, not even the `Idempotency-Key`."""


def _view(row: Row) -> DeadLetterView:
    fields: dict[str, Any] = dict(row)
    start: bytes | None = fields.pop("start")
    path = f"/v1/dead-letters/{row['id']}"
    links = {"self": path, "resolve": f"{path}/resolve"}
    if row["kind"] in REPLAYABLE and row["reason"] != UNREADABLE:
        links["replay"] = f"{path}/replay"
    published: bool = fields.pop("published")
    refused = why_not_edited(row["kind"], row["reason"], row["item"], published=published)
    if refused is None and row["resolved_at"] is None:
        links["edit"] = f"{path}/edit"
    if row["run"] is not None:
        links["run"] = f"/v1/runs/{row['run']}"
    if row["kind"] == "webhook":
        links["webhook"] = "/v1/endpoints/{}/messages/{}".format(*row["item"])
    text = None if start is None else redact_text(as_text(start, cut=row["size"] > TEXT_BYTES))
    fields["detail"] = redact_text(row["detail"])
    return DeadLetterView(**fields, text=text, links=links)
