"""Reads the changes of all followed tenants, once for all followers of this replica.

History is the truth; live messages only say when to read. The reader goes from a mark to the oldest
transaction that is under way, in bounded pages, and keeps the latest changes of each followed tenant in a
ring, from which followers take them. Without followers nothing is read. A tenant whose first follower arrives
while a page is read is part of the next page: the ring begins where that page begins, so no change is lost
between the two.
"""

import asyncio
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import Fault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.runs.changes.rules.changes import Change, changes_of
from visapi_gateway.runs.changes.rules.positions import Position
from visapi_gateway.runs.changes.rules.ring import Ring
from visapi_gateway.runs.changes.source import ChangePage, ChangeSource
from visapi_gateway.runs.reading.live import CHECK_S, LiveHub, RunWaiter

REST_S = 0.25
"""The least time between two looks for changes."""
TURN_S = 0.01
"""The least time between two pages of one look."""
SOON_S = 0.5
"""The time to the next look while a change that was announced cannot be read yet, because an older
transaction is under way.
"""
AWAY_S = 1.0
"""The time to the next look after a failed one."""
CHANGES_MAX = 20_000
"""Changes in all rings together: less than 30 MB."""
CHANGES_LEAST = 64
"""Changes in each ring, whatever the number of rings."""

_log = get_logger("run-changes")


class Followed:
    """A tenant with followers. `ring` is None until a look has covered the tenant, `seen` the number of the
    last one that did.
    """

    def __init__(self) -> None:
        self.bells: set[RunWaiter] = set()
        self.ring: Ring | None = None
        self.seen = 0
        self.asked = 0
        """The look that the newest follower waits for, or 0."""
        self.newest = 0
        self.restored = 0.0
        self.restarts = 0
        """How often the ring began anew, because the database is not the one that was read before."""

    def ring_all(self) -> None:
        for bell in self.bells:
            bell.ring()

    def cover(
        self, since: Position, page: ChangePage, changes: Sequence[Change], end: Position, most: int
    ) -> bool:
        """Take the changes of this tenant from a page. Returns whether followers wait for them."""
        is_new = self.ring is None
        ring = self.ring = self.ring or Ring(since)
        ring.advance(changes, end, most)
        self.newest, self.restored = page.newest, page.restored
        return is_new or bool(changes)

    def begin_anew(self) -> None:
        self.ring = None
        self.restarts += 1


class ChangeReader:
    """See the module's docstring."""

    def __init__(self, source: ChangeSource, hub: LiveHub, clock: WallClock, metrics: Metrics) -> None:
        self._source = source
        self._hub = hub
        self._clock = clock
        self._metrics = metrics
        self._up_to_date_at = 0.0
        self._followed: dict[str, Followed] = {}
        self._somebody = asyncio.Event()
        self._bell: RunWaiter | None = None
        self._mark: Position | None = None
        self._restored = 0.0
        self._announced = 0
        """The announced changes were made by transactions below this one."""
        self._looks = 0

    @contextmanager
    def follow(self, tenant: str, bell: RunWaiter) -> Generator[Followed]:
        """Read the changes of a tenant, and ring the bell when there are some. The look numbered `asked`
        begins after this call, so it sees all that was committed before.
        """
        followed = self._followed.setdefault(tenant, Followed())
        followed.bells.add(bell)
        followed.asked = self._looks + 1
        self._somebody.set()
        if self._bell is not None:
            self._bell.ring()
        try:
            yield followed
        finally:
            followed.bells.discard(bell)
            if not followed.bells:
                del self._followed[tenant]

    @property
    def held(self) -> int:
        """How many changes are held in memory."""
        return sum(len(one.ring) for one in self._followed.values() if one.ring is not None)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._somebody.wait()
            rang, self._up_to_date_at = True, self._now()
            with self._hub.listen_to(self._followed) as bell:
                self._bell = bell
                while self._followed:
                    page = await self._look()
                    if page is not None and rang:
                        self._announced = page.newest
                    self._measure(page)
                    rang = await self._rest(bell, page) or (rang and page is None)
            self._metrics.run_changes_lag_seconds.set(0)
            self._bell = self._mark = None
            self._somebody.clear()

    async def _look(self) -> ChangePage | None:
        """Read a page. None when that fails: followers stay, and hear of the changes later."""
        self._looks += 1
        look, included = self._looks, dict(self._followed)
        try:
            if self._mark is None:
                page = await self._source.begin(included)
            else:
                page = await self._source.changes(included, self._mark.key)
        except Fault as fault:
            _log.warning("changes_not_read", detail=str(fault))
            return None
        if self._mark is not None and self._is_of_another_database(page, self._mark):
            self._mark = None
            self._metrics.run_changes_restarts.inc()
            for followed in self._followed.values():
                followed.begin_anew()
            return None
        self._take(page, included, look)
        return page

    def _take(self, page: ChangePage, included: Mapping[str, Followed], look: int) -> None:
        now = int(self._now())
        end = Position.at(page.end, now)
        since = self._mark or end
        self._mark, self._restored = end, page.restored
        found = _by_tenant(page, now)
        most = max(CHANGES_LEAST, CHANGES_MAX // len(included))
        for tenant, followed in included.items():
            waited = followed.cover(since, page, found.get(tenant, ()), end, most)
            followed.seen = look
            if 0 < followed.asked <= look:
                followed.asked, waited = 0, True
            if waited:
                followed.ring_all()

    def _measure(self, page: ChangePage | None) -> None:
        """Report for how long the reader has been behind."""
        now = self._now()
        if page is not None and not page.more and page.end[0] >= self._announced:
            self._up_to_date_at = now
        self._metrics.run_changes_lag_seconds.set(now - self._up_to_date_at)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _is_of_another_database(self, page: ChangePage, mark: Position) -> bool:
        """Whether the database was put back to a point in the past since the last page."""
        return mark.xid > page.newest or page.restored != self._restored

    async def _rest(self, bell: RunWaiter, page: ChangePage | None) -> bool:
        """Wait until the next page is due. Whether something was announced."""
        if page is None:
            await asyncio.sleep(AWAY_S)
            return False
        if page.more:
            await asyncio.sleep(TURN_S)
            return False
        await asyncio.sleep(REST_S)
        return await bell.wait(SOON_S if page.end[0] < self._announced else CHECK_S)


def _by_tenant(page: ChangePage, now: int) -> dict[str, list[Change]]:
    found: defaultdict[str, list[Change]] = defaultdict(list)
    for row in page.rows:
        try:
            found[row.tenant] += changes_of(row, now)
        except ValueError as unreadable:
            _log.error("row_not_read", run=str(row.run), tenant=row.tenant, detail=str(unreadable)[:200])
    return found
