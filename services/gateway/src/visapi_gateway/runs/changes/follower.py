"""One follower of all runs, and the next events for its client."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from visapi_gateway.runs.changes.reader import Followed
from visapi_gateway.runs.changes.rereading import Reread
from visapi_gateway.runs.changes.rules import events
from visapi_gateway.runs.changes.rules.changes import Change, Wanted
from visapi_gateway.runs.changes.rules.positions import Position
from visapi_gateway.runs.changes.rules.ring import Ring
from visapi_gateway.runs.reading.follow import PING_S
from visapi_gateway.runs.reading.live import RunWaiter

AT_ONCE = 100
"""Changes that a follower takes before others have their turn."""
_EARLY_S = 0.001
"""A timer may fire so much too early."""
PAGES_MAX = 5_000
"""Pages that a follower reads by itself in a row; then it has missed changes."""


class Listing(msgspec.Struct, frozen=True):
    """A list that a client follows. `name` identifies the listing; a position that `seal` makes is valid for
    this listing only.
    """

    name: str
    wanted: Wanted
    seal: Callable[[str], str]

    def sealed(self, position: Position) -> str:
        return self.seal(position.text)


class Follower:
    """Begins at `after`, or now. `lost`: the client was somewhere that cannot be read."""

    def __init__(
        self, listing: Listing, followed: Followed, bell: RunWaiter, reread: Reread, *, lost: bool
    ) -> None:
        self._listing = listing
        self._followed = followed
        self._bell = bell
        self._reread = reread
        self._lost = lost
        self._asked = followed.asked
        self._restarts = followed.restarts
        self._known: Position | None = None
        self._pages = 0
        self._loop = asyncio.get_running_loop()
        self._spoke_at = self._loop.time()

    async def next(self, after: Position | None, now: Callable[[], int]) -> bytes:
        """The next events; nothing where none is due yet. Raises `Fault`."""
        ring, known = self._followed.ring, self._known
        if ring is None or (known is None and self._followed.seen < self._asked):
            return await self._rest()
        if known is None:
            return self._begin(ring, after, now())
        if self._restarts != self._followed.restarts:
            return self._reset(ring)
        if not ring.holds(known.key):
            return await self._read_alone(ring, known)
        self._pages = 0
        if changes := ring.after(known.key, AT_ONCE):
            await asyncio.sleep(0)
            self._known = changes[-1].position
            return self._shown(changes)
        if ring.end.key >= known.key:
            self._known = ring.end
        return await self._rest()

    def _begin(self, ring: Ring, after: Position | None, now: int) -> bytes:
        self._restarts = self._followed.restarts
        if after is None and not self._lost:
            self._known = ring.end
            return self._say(events.begin_event(self._listing.sealed(ring.end)))
        if after is None or not after.is_kept(now) or self._is_gone(after):
            return self._reset(ring)
        self._known = after
        return b""

    def _is_gone(self, position: Position) -> bool:
        """Whether the database was put back to a point before the position."""
        return is_gone(position, self._followed.newest, self._followed.restored)

    def _reset(self, ring: Ring) -> bytes:
        self._known, self._restarts, self._pages = ring.end, self._followed.restarts, 0
        return self._say(events.reset_event(self._listing.sealed(ring.end)))

    async def _read_alone(self, ring: Ring, known: Position) -> bytes:
        self._pages += 1
        if self._pages > PAGES_MAX:
            return self._reset(ring)
        page, changes, end = await self._reread.page(self._listing.wanted.tenant, known)
        if is_gone(known, page.newest, page.restored):
            return self._reset(ring)
        self._known = end
        return self._shown(changes)

    def _shown(self, changes: Sequence[Change]) -> bytes:
        wanted = self._listing.wanted
        return self._say(b"".join(self._event(change) for change in changes if wanted.admits(change)))

    def _event(self, change: Change) -> bytes:
        name, event = change.shown
        if name != self._listing.name:
            event = events.change_event(change.data, self._listing.sealed(change.position))
            change.shown = (self._listing.name, event)
        return event

    async def _rest(self) -> bytes:
        """Until something may have happened, or a ping is due."""
        due = self._spoke_at + PING_S
        await self._bell.wait(due - self._loop.time())
        if self._loop.time() < due - _EARLY_S:
            return b""
        known = self._known
        # A place within a transaction names a run that this key may not see.
        is_shown = known is not None and not known.names_a_run
        return self._say(events.ping(self._listing.sealed(known) if known and is_shown else None))

    def _say(self, said: bytes) -> bytes:
        if said:
            self._spoke_at = self._loop.time()
        return said


def is_gone(position: Position, newest: int, restored: float) -> bool:
    """Whether the database was restored to a point before the position. The database has no transaction from
    `newest` on; its last restore was at the Unix time `restored`.
    """
    return position.xid > newest or position.time < restored
