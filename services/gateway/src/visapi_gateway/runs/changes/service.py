"""Follow the runs of a tenant: each change of a run's state, in the order of commits, from a position on.

A follower takes the changes from the ring of its tenant (`reader.py`), as fast as its client reads. A
follower that is slower than the ring, or that returns with a position before the ring, reads the ledger by
itself until the ring holds its next change (`rereading.py`), a bounded number of pages.
"""

import random
from collections.abc import AsyncGenerator, Sequence

from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.shares import Share
from visapi_gateway.runs.changes.follower import Follower, Listing, is_gone
from visapi_gateway.runs.changes.reader import ChangeReader
from visapi_gateway.runs.changes.rereading import Reread
from visapi_gateway.runs.changes.rules.changes import Change
from visapi_gateway.runs.changes.rules.positions import Position
from visapi_gateway.runs.reading.follow import RETRY_MS, RETRY_SPREAD_MS
from visapi_gateway.runs.reading.live import LiveHub
from visapi_gateway.runs.reading.rules.event_stream import retry_after

FOLLOWERS = 256
FOLLOWERS_OF_TENANT = 32
"""Every follower of a tenant examines every change of the tenant."""

LOOKS = 20
"""Pages of history that one request reads."""


class FollowRuns:
    """See the module's docstring."""

    def __init__(self, reader: ChangeReader, reread: Reread, hub: LiveHub, clock: WallClock) -> None:
        self._reader = reader
        self._reread = reread
        self._hub = hub
        self._clock = clock
        self._places = Share(FOLLOWERS, FOLLOWERS_OF_TENANT)

    def check_room(self, tenant: str) -> None:
        """Raises `ProblemError` 429 where the tenant has the largest number of followers already."""
        if not self._places.take(tenant):
            detail = (
                "as many clients follow all runs as one gateway serves; end some, or send the request "
                "again later"
            )
            raise ProblemError("too_many_open", detail, status=429, headers={"Retry-After": "2"})
        self._places.give_back(tenant)

    async def page(self, listing: Listing, after: Position | None) -> tuple[Sequence[Change], Position, bool]:
        """Some changes after a position, the next position, and whether changes were missed. Passes over
        pages without a change of the listing, `LOOKS` times at most. Raises `Fault`.
        """
        tenant = listing.wanted.tenant
        if after is not None and after.is_kept(self._now()):
            for _ in range(LOOKS):
                page, changes, end = await self._reread.page(tenant, after)
                if is_gone(after, page.newest, page.restored):
                    return [], await self._reread.here(tenant), True
                after, wanted = end, [each for each in changes if listing.wanted.admits(each)]
                if wanted or not page.more:
                    return wanted, end, False
            return [], after, False
        return [], await self._reread.here(tenant), after is not None

    async def stream(
        self, listing: Listing, after: Position | None, *, lost: bool
    ) -> AsyncGenerator[bytes, None]:
        """Server-sent events until the client leaves or this replica stops. `lost`: the client named a
        position that cannot be read. Raises `Fault`.
        """
        yield retry_after(RETRY_MS)
        tenant = listing.wanted.tenant
        if self._places.take(tenant):
            try:
                with self._hub.attend() as bell, self._reader.follow(tenant, bell) as followed:
                    follower = Follower(listing, followed, bell, self._reread, lost=lost)
                    while not self._hub.closing:
                        if events := await follower.next(after, self._now):
                            yield events
            finally:
                self._places.give_back(tenant)
        yield retry_after(RETRY_MS + random.randrange(RETRY_SPREAD_MS))

    def _now(self) -> int:
        return int(self._clock.now().timestamp())
