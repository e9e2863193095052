"""Writes down what endpoints may want to know of runs and tasks, from their history.

History is the truth. One batch reads the rows committed since the last batch, writes the news, and moves the
mark, in one transaction: all news is written once. One replica holds the lease at a time. Without an endpoint
that wants to know of runs or tasks, history is passed over.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from visapi_common.core.endpoint_types import Wants
from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.endpoints.rules.news import News, RunOrigin, Wanted, news_of
from visapi_orchestrator.events.rules.lifecycle import HistoryRow

LIMIT = 512
_REST_S = 0.05
_REST_MAX_S = 2.0
_EVERY_S = 0.5
_SKIP_EVERY_S = 30.0


class HistoryLease(Protocol):
    """The operations of the replica that holds the lease."""

    async def read(self, limit: int, wanted: Wanted) -> tuple[Sequence[HistoryRow], bool]:
        """Of `limit` rows after the mark, and before `wanted.upto`, those of these tenants, in order; whether
        more rows wait.
        """
        ...

    async def origins(self, rows: Sequence[HistoryRow]) -> Mapping[UUID, RunOrigin]: ...
    async def add(self, news: Sequence[News]) -> None: ...
    async def move_on(self) -> None:
        """Move the mark behind the rows that were read."""
        ...


class EndpointHistory(Protocol):
    async def wanted(self) -> Wanted:
        """Who wants to know of runs and tasks, and of which part of history that holds. Raises `Fault`."""
        ...

    def lease(self) -> AbstractAsyncContextManager[HistoryLease | None]:
        """One transaction; None while another replica holds the lease. Raises `Fault`."""
        ...

    async def skip(self) -> None:
        """Nobody wants to know: move the mark past all rows."""
        ...


class EndpointNews:
    """See the module's docstring."""

    def __init__(self, history: EndpointHistory, metrics: Metrics) -> None:
        self._history = history
        self._isolation = Isolation("endpoint-news", metrics)
        self._skipped_at = float("-inf")

    async def run(self) -> None:
        """Read until cancelled. After a batch it rests at least as long as it worked: runs come first."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            more = False
            try:
                more = await self.once()
            except Fault as fault:
                self._isolation.note(fault)
            rest_s = min(_REST_MAX_S, max(_REST_S, loop.time() - began))
            await asyncio.sleep(rest_s if more else max(rest_s, _EVERY_S))

    async def once(self) -> bool:
        """One batch. Whether more rows wait."""
        wanted = await self._history.wanted()
        if not wanted.tenants:
            await self._skip()
            return False
        async with self._history.lease() as lease:
            if lease is None:
                return False
            rows, more = await lease.read(LIMIT, wanted)
            if rows:
                await self._write(lease, rows, wanted.tenants)
            await lease.move_on()
        return more

    async def _write(
        self, lease: HistoryLease, rows: Sequence[HistoryRow], wanted: Mapping[str, Wants]
    ) -> None:
        origins = await lease.origins(rows)

        async def write(some: Sequence[HistoryRow]) -> None:
            await lease.add([news for row in some for news in news_of(row, origins, wanted)])

        async def pass_over(row: HistoryRow, error: Exception) -> None:
            """The relay of lifecycle events sets the same row aside, and it is counted and logged here."""

        result = await self._isolation.each(rows, write, pass_over)
        if result.fault is not None:
            raise result.fault

    async def _skip(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._skipped_at >= _SKIP_EVERY_S:
            await self._history.skip()
            self._skipped_at = now
