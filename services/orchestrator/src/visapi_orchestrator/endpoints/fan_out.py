"""Sends what there is to know to the endpoints that want to know it: one message for each.

Tenants take turns, and a turn is bounded, so that one with many endpoints and much to know delays the others
by its turns only. Messages of a tenant are written by one replica at a time, in the order of the news.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.endpoints.rules.subscribed import Message, Subscription, WaitingNews, messages_of

MESSAGES_AT_ONCE = 2_000
"""Of one tenant in one turn: about 20 ms of PostgreSQL."""
TENANTS_AT_ONCE = 100
BOUND_EVERY = 1_000
"""Messages to an endpoint after which its number of messages is bounded."""
MESSAGES_KEPT = 10_000
"""Messages of an endpoint that ended, which its log shows."""
_COUNTED_MAX = 100_000
_EVERY_S = 0.25
_REST_MAX_S = 1.0


class FanOutLease(Protocol):
    """One tenant's news, in one transaction."""

    async def subscriptions(self) -> Sequence[Subscription]: ...
    async def waiting(self, limit: int) -> Sequence[WaitingNews]:
        """The oldest news that wait."""
        ...

    async def write(self, messages: Sequence[Message], unwanted: Collection[int]) -> None:
        """Write messages, and drop the news that nobody wants; nothing of it waits any more."""
        ...


class FanOutRows(Protocol):
    async def tenants(self, after: str, limit: int) -> Sequence[str]:
        """The next tenants with waiting news, by name."""
        ...

    def lease(self, tenant: str) -> AbstractAsyncContextManager[FanOutLease | None]:
        """None while another replica works for the tenant. Raises `Fault`."""
        ...

    async def bound(self, tenant: str, endpoint: UUID) -> None:
        """Drop the oldest messages that ended; disable an endpoint for which too many wait."""
        ...

    async def announce(self) -> None:
        """Emit an event for each endpoint that was disabled by itself."""
        ...


class FanOut:
    """See the module's docstring."""

    def __init__(self, rows: FanOutRows, metrics: Metrics) -> None:
        self._rows = rows
        self._metrics = metrics
        self._isolation = Isolation("endpoint-messages", metrics)
        self._written: Counter[tuple[str, UUID]] = Counter()

    async def run(self) -> None:
        """Work until cancelled. After a round it rests at least as long as it worked: runs come first."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            busy = False
            try:
                await self._rows.announce()
                busy = await self.round()
            except Fault as fault:
                self._isolation.note(fault)
            rest_s = min(_REST_MAX_S, loop.time() - began)
            await asyncio.sleep(rest_s if busy else max(rest_s, _EVERY_S))

    async def round(self) -> bool:
        """One turn of each tenant with waiting news. Whether any of them has more."""
        more, after = False, ""
        while tenants := await self._rows.tenants(after, TENANTS_AT_ONCE):
            for tenant in tenants:
                try:
                    more |= await self._turn(tenant)
                except Fault as fault:
                    self._isolation.note(fault)
            after = tenants[-1]
        return more

    async def _turn(self, tenant: str) -> bool:
        async with self._rows.lease(tenant) as lease:
            if lease is None:
                return False
            # Endpoints are read after the news, so that none is missed that was made before the news.
            found = await lease.waiting(MESSAGES_AT_ONCE + 1)
            subscriptions = await lease.subscriptions()
            limit = MESSAGES_AT_ONCE // max(1, len(subscriptions)) + 1
            waiting = found[:limit]
            messages = messages_of(subscriptions, waiting)
            wanted = {message.news for message in messages}
            await lease.write(messages, [news.seq for news in waiting if news.seq not in wanted])
        self._metrics.endpoint_messages.inc(len(messages))
        await self._bound(tenant, messages)
        return len(waiting) == limit

    async def _bound(self, tenant: str, messages: Sequence[Message]) -> None:
        written = Counter((tenant, message.endpoint) for message in messages)
        if len(self._written) > _COUNTED_MAX:
            self._written.clear()
        self._written += written
        for one in written:
            if self._written[one] >= BOUND_EVERY:
                del self._written[one]
                await self._rows.bound(*one)
