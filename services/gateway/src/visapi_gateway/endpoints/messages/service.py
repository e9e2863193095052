"""Webhooks to endpoints: reading them with their attempts, sending one to try, sending one again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.endpoints import (
    AttemptView,
    MessageDetails,
    MessagePage,
    MessageState,
    MessageView,
    ReplayMessage,
)
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_gateway.audit.rules import entry
from visapi_gateway.endpoints.managing.service import no_such_endpoint
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.pages import one_page

PINGS_MAX = 100
"""Pings of an endpoint in an hour, with nothing else sent between them."""
ATTEMPTS_MAX = 500
"""Attempts of one message, replays included."""
_encode = msgspec.json.Encoder().encode


class MessageRow(msgspec.Struct, frozen=True):
    """A message, and its place in the list."""

    seq: int
    view: MessageView


class KeptMessage(msgspec.Struct, frozen=True):
    """A message, the bytes of its body, and the latest of its attempts."""

    view: MessageView
    body: bytes
    log: list[AttemptView]


class Ping(msgspec.Struct, frozen=True):
    """A message that tells of nothing."""

    endpoint: UUID
    id: UUID
    at: datetime
    data: bytes
    audit: AuditEntry


class MessageStore(Protocol):
    async def is_enabled(self, tenant: str, endpoint: UUID) -> bool | None:
        """None where there is no such endpoint."""
        ...

    async def page(
        self, tenant: str, endpoint: UUID, state: MessageState | None, below: int | None, limit: int
    ) -> Sequence[MessageRow]: ...
    async def one(self, tenant: str, endpoint: UUID, message: UUID) -> KeptMessage | None: ...
    async def ping(self, ping: Ping, claim: Claim | None) -> bool:
        """False where the newest `PINGS_MAX` messages are pings of the last hour."""
        ...

    async def replay(self, endpoint: UUID, message: UUID, audit: AuditEntry, claim: Claim | None) -> bool:
        """False where there is no such message, or it was tried `ATTEMPTS_MAX` times."""
        ...


class Masks(Protocol):
    async def masked(self, tenant: str, raw: bytes) -> Any:
        """Stored JSON without what is secret or personal."""
        ...


class Messages:
    """The use cases."""

    def __init__(self, store: MessageStore, masks: Masks, ids: Ids, clock: WallClock) -> None:
        self._store = store
        self._masks = masks
        self._ids = ids
        self._clock = clock

    async def page(
        self, tenant: str, endpoint: UUID, state: MessageState | None, below: int | None, limit: int
    ) -> MessagePage:
        """Newest first. `next` is the place to continue below. Raises `ProblemError` 404."""
        await self._need(tenant, endpoint)
        rows = await self._store.page(tenant, endpoint, state, below, limit + 1)
        shown, more = one_page(rows, limit, lambda row: str(row.seq))
        return MessagePage([row.view for row in shown], more)

    async def one(self, tenant: str, endpoint: UUID, message: UUID) -> MessageDetails:
        """Raises `ProblemError` 404."""
        await self._need(tenant, endpoint)
        found = await self._store.one(tenant, endpoint, message)
        if found is None:
            raise _no_such_message(message)
        body = await self._masks.masked(tenant, found.body)
        return MessageDetails(**msgspec.structs.asdict(found.view), body=body, log=found.log)

    async def ping(self, who: Requester, endpoint: UUID, claim: Claim | None) -> MessageDetails:
        """Send a webhook that tells of nothing. Raises `ProblemError` 404 and 409."""
        if not await self._need(who.tenant, endpoint):
            raise _disabled(endpoint)
        data = _encode({"endpoint": str(endpoint), "by": who.actor})
        audit = entry(who, AuditAction.ENDPOINT_PING, f"endpoint:{endpoint}")
        ping = Ping(endpoint, self._ids.uuid7(), self._clock.now(), data, audit)
        if not await self._store.ping(ping, claim):
            raise _too_many_pings()
        return await self.one(who.tenant, endpoint, ping.id)

    async def replay(
        self, who: Requester, endpoint: UUID, message: UUID, asked: ReplayMessage, claim: Claim | None
    ) -> MessageDetails:
        """Try a message ten times more, under the same id. Raises `ProblemError` 404 and 409."""
        await self._need(who.tenant, endpoint)
        audit = entry(
            who,
            AuditAction.ENDPOINT_REPLAY,
            f"endpoint:{endpoint}",
            reason=asked.reason,
            message=str(message),
        )
        if not await self._store.replay(endpoint, message, audit, claim):
            await self.one(who.tenant, endpoint, message)
            raise _tried_enough()
        return await self.one(who.tenant, endpoint, message)

    async def _need(self, tenant: str, endpoint: UUID) -> bool:
        """Whether the endpoint is enabled. Raises `ProblemError` 404."""
        enabled = await self._store.is_enabled(tenant, endpoint)
        if enabled is None:
            raise no_such_endpoint(endpoint)
        return enabled


def _no_such_message(message: UUID) -> ProblemError:
    return ProblemError("message_not_found", f"the endpoint has no message {message}", status=404)


def _disabled(endpoint: UUID) -> ProblemError:
    detail = f"endpoint {endpoint} is disabled; enable it with PATCH /v1/endpoints/{endpoint}"
    return ProblemError("endpoint_disabled", detail, status=409)


def _too_many_pings() -> ProblemError:
    detail = f"the endpoint was sent {PINGS_MAX} pings and nothing else within an hour; wait before the next"
    return ProblemError("quota_exceeded", detail, status=409)


def _tried_enough() -> ProblemError:
    detail = f"the message was tried {ATTEMPTS_MAX} times; read its log to see what the receiver answers"
    return ProblemError("quota_exceeded", detail, status=409)
