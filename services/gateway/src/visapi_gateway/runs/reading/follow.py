"""Follow a run: its history in pages or as a stream, and waiting for its end.

A follower subscribes first, then reads, and reads again at each live message. The number of the last item
marks its position, so nothing is lost or shown twice even if NATS drops messages.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.runs import ENDED
from visapi_gateway.runs.reading.live import LiveHub
from visapi_gateway.runs.reading.rules import event_stream
from visapi_gateway.runs.reading.rules.history_items import StoredItem
from visapi_gateway.runs.reading.service import no_such_run
from visapi_gateway.runs.reading.whole_items import WholeItems

PING_S = 10.0
READ_ROWS = 100
PAGE_BYTES = 4 * 1024 * 1024
RETRY_MS = 1000
RETRY_SPREAD_MS = 2000
"""Followers of a stopping replica reconnect spread over this time."""

Item = tuple[int, bytes]
"""A history item: its number and its JSON."""


class Head(msgspec.Struct, frozen=True):
    status: str
    seq: int
    retrying: bool = False
    """Whether a retry is accepted but not yet consumed: the history will continue."""

    @property
    def ended(self) -> bool:
        return self.status in ENDED and not self.retrying


class HistorySource(Protocol):
    async def head(self, tenant: str, run: UUID) -> Head | None: ...
    async def history(self, tenant: str, run: UUID, after: int, rows: int) -> Sequence[StoredItem]:
        """Items after `after`, oldest first, of at most `rows` transitions."""
        ...


class FollowRun:
    """Reads and follows runs of a tenant."""

    def __init__(self, source: HistorySource, hub: LiveHub, whole: WholeItems) -> None:
        self._source = source
        self._hub = hub
        self._whole = whole

    async def head(self, tenant: str, run: UUID) -> Head:
        """Raises `ProblemError` 404."""
        head = await self._source.head(tenant, run)
        if head is None:
            raise no_such_run(run)
        return head

    async def page(self, tenant: str, run: UUID, after: int, limit: int) -> tuple[list[Item], int | None]:
        """At most `limit` items after `after`, and the position to continue from when there are more.

        A page holds at most `PAGE_BYTES`, or one item.
        """
        await self.head(tenant, run)
        items: list[Item] = []
        size = 0
        while more := await self._source.history(tenant, run, items[-1][0] if items else after, READ_ROWS):
            for item in more:
                size += item.size
                if len(items) == limit or (items and size > PAGE_BYTES):
                    return items, items[-1][0]
                items.append((item.seq, await self._whole(tenant, item)))
        return items, None

    async def stream(self, tenant: str, run: UUID, after: int) -> AsyncGenerator[bytes, None]:
        """Server-sent events until the run's end, or until this replica stops."""
        loop = asyncio.get_running_loop()
        with self._hub.listen(run) as bell:
            yield event_stream.retry_after(RETRY_MS)
            seen, spoke_at = after, loop.time()
            while True:
                head = await self.head(tenant, run)
                unseen = await self._source.history(tenant, run, seen, READ_ROWS) if head.seq > seen else ()
                for item in unseen:
                    yield event_stream.item_event(item.seq, await self._whole(tenant, item))
                    seen, spoke_at = item.seq, loop.time()
                if unseen and head.seq > seen:
                    continue
                if head.ended:
                    yield event_stream.end_event(head.seq, head.status)
                    return
                if self._hub.closing:
                    yield event_stream.retry_after(RETRY_MS + random.randrange(RETRY_SPREAD_MS))
                    return
                await bell.wait(spoke_at + PING_S - loop.time())
                if loop.time() - spoke_at >= PING_S:
                    yield event_stream.PING
                    spoke_at = loop.time()

    async def wait_for_end(self, tenant: str, run: UUID, limit_s: float, *, fresh: bool) -> None:
        """Return when the run seems to have ended, or after `limit_s`; then the caller reads the run.

        `fresh`: the caller learned of the commit in the current event loop iteration, so no live message can
        be missed, and the run is not read before one arrives.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_s
        with self._hub.listen(run, end_only=True) as bell:
            if not fresh and (await self.head(tenant, run)).ended:
                return
            while not (bell.ended or self._hub.closing or loop.time() >= deadline):
                await bell.wait(deadline - loop.time())
                if not bell.ended and (await self.head(tenant, run)).ended:
                    return
