"""Reads the changes of one tenant from a position that no ring holds, for one follower."""

import asyncio

from visapi_common.adapters.fair_semaphore import FairSemaphore
from visapi_common.core.clocks import WallClock
from visapi_common.core.fair_job_queue import JobQueueLimits
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.runs.changes.rules.changes import Change, changes_of
from visapi_gateway.runs.changes.rules.positions import Position
from visapi_gateway.runs.changes.source import ChangePage, ChangeSource

TURNS = JobQueueLimits(at_once=2, per_tenant=1, waiting=256, waiting_per_tenant=64, bytes_waiting=1)
WAIT_S = 20.0
REST_S = 0.02
"""After each page, before the next turn: many who come back at once must not take all of PostgreSQL."""

_log = get_logger("run-changes")


class Reread:
    """Few pages are read at once, and tenants take turns. A page is read with the rights of the follower's
    key: for a key that is limited to workflows, the ledger returns runs of these workflows only.
    """

    def __init__(self, source: ChangeSource, clock: WallClock) -> None:
        self._source = source
        self._clock = clock
        self._turns = FairSemaphore(TURNS, what="reading what happened to runs", wait_s=WAIT_S)

    async def here(self, tenant: str) -> Position:
        """The position before all changes that are yet to come. Raises `Fault`."""
        await self._turns.acquire(tenant)
        try:
            page = await self._source.begin([tenant])
        finally:
            self._turns.release(tenant)
        return Position.at(page.end, int(self._clock.now().timestamp()))

    async def page(self, tenant: str, after: Position) -> tuple[ChangePage, list[Change], Position]:
        """The next page, its changes, and the position behind them. Raises `Fault`."""
        await self._turns.acquire(tenant)
        try:
            page = await self._source.changes([tenant], after.key)
            await asyncio.sleep(REST_S)
        finally:
            self._turns.release(tenant)
        now = int(self._clock.now().timestamp())
        found: list[Change] = []
        for row in page.rows:
            try:
                found += changes_of(row, now, after.key)
            except ValueError as unreadable:
                _log.error("row_not_read", run=str(row.run), tenant=tenant, detail=str(unreadable)[:200])
        return page, found, Position.at(page.end, now)
