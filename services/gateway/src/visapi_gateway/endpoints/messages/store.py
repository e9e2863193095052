"""Webhooks to endpoints in PostgreSQL, as the gateway sees them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.dead_letters import SENT_AGAIN
from visapi_common.contracts.endpoints import AttemptView, MessageState, MessageView
from visapi_common.core.endpoint_types import PING, webhook_body
from visapi_gateway.endpoints.messages.service import (
    ATTEMPTS_MAX,
    PINGS_MAX,
    KeptMessage,
    MessageRow,
    Ping,
)
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.idempotency.transaction import hold_key

_SQL = load_queries("visapi_gateway.endpoints.messages", "queries.sql")
ATTEMPTS_SHOWN = 50


class PgMessages:
    """See `endpoints.messages.service.MessageStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def is_enabled(self, tenant: str, endpoint: UUID) -> bool | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            return await connection.fetchval(_SQL["endpoint_state"], tenant, endpoint)

    async def page(
        self, tenant: str, endpoint: UUID, state: MessageState | None, below: int | None, limit: int
    ) -> Sequence[MessageRow]:
        query = _SQL["list_messages" if state is None else "list_messages_of_state"]
        wanted = () if state is None else (state,)
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(query, tenant, endpoint, below, limit, *wanted)
        return [MessageRow(row["seq"], MessageView(**_fields(endpoint, row))) for row in rows]

    async def one(self, tenant: str, endpoint: UUID, message: UUID) -> KeptMessage | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["one_message"], tenant, endpoint, message)
            if row is None:
                return None
            tried = await connection.fetch(_SQL["attempts_of"], message, tenant, ATTEMPTS_SHOWN)
        body = webhook_body(row["type"], row["at"], row["data"])
        return KeptMessage(MessageView(**_fields(endpoint, row)), body, [_attempt(one) for one in tried])

    async def ping(self, ping: Ping, claim: Claim | None) -> bool:
        tenant = ping.audit.tenant
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await hold_key(connection, claim, str(ping.id))
            what = (tenant, ping.endpoint, ping.id, PING, ping.at, ping.data)
            if await connection.fetchval(_SQL["add_ping"], *what, PINGS_MAX) is None:
                return False
            await record(connection, ping.audit)
        return True

    async def replay(self, endpoint: UUID, message: UUID, audit: AuditEntry, claim: Claim | None) -> bool:
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            place = (audit.tenant, endpoint, message)
            if await connection.fetchval(_SQL["replay_message"], *place, ATTEMPTS_MAX) is None:
                return False
            await connection.execute(_SQL["close_letter"], message, audit.tenant, audit.actor, SENT_AGAIN)
            await hold_key(connection, claim)
            await record(connection, audit)
        return True


def _fields(endpoint: UUID, row: Row) -> dict[str, Any]:
    path = f"/v1/endpoints/{endpoint}/messages/{row['id']}"
    names = ("id", "type", "state", "attempts", "size", "created_at", "ended_at")
    waits = row["state"] == "pending"
    return {
        **{name: row[name] for name in names},
        "next_attempt_at": row["next_at"] if waits else None,
        "links": {"self": path, "endpoint": f"/v1/endpoints/{endpoint}", "replay": f"{path}/replay"},
    }


def _attempt(row: Row) -> AttemptView:
    fields: dict[str, Any] = dict(row)
    body: bytes | None = fields.pop("response")
    return AttemptView(**fields, response=None if body is None else body.decode("utf-8", "replace"))
