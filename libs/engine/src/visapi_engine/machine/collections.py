"""The events that a schedule has collected, apart for each correlation (`nodes.apart`).

They are rows of the ledger, not part of the state: a schedule may wait for the events of thousands of
correlations at once, and one event concerns one of them. A transition says which it needs (`wanted`); it is
repeated once they are known.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

COUNT_MAX = 10_000
"""Correlations of a schedule that wait at a time, unless a setting says otherwise."""
ONE_BYTES_MAX = 1024 * 1024
"""The largest collection, as JSON."""
ALL_BYTES_MAX = 32 * 1024 * 1024
"""All collections of a schedule together. A burst of events may need all at once, within the memory of
one engine process.
"""


class Collection(msgspec.Struct, omit_defaults=True):
    """The events of one correlation so far; the fields are those of `ListenFrame`."""

    correlations: dict[str, Any] = {}
    matched: list[int] = []
    until_matched: list[int] = []
    consumed: list[Any] = []
    began_ms: int = 0


class StoredCollections(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the ledger holds for a schedule: collections by key (None: there is none), and how many more, and
    how many more bytes, it may hold.
    """

    stored: dict[str, bytes | None] = {}
    room: int = COUNT_MAX
    bytes_room: int = ALL_BYTES_MAX


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Collection).decode


def stored_events(body: bytes) -> list[dict[str, Any]]:
    """The events of a stored collection, in the order in which they came."""
    return _decode(body).consumed


class Collections:
    """The collections during a transition, which may consist of many events."""

    def __init__(self, given: StoredCollections, *, whole: bool = False) -> None:
        """`whole`: there are no collections but the given ones."""
        self._stored: dict[str, bytes | None] = dict(given.stored)
        self._room = given.room
        self._bytes_room = given.bytes_room
        self._whole = whole
        self.wanted: dict[str, None] = {}
        """Keys that the transition needs and does not know."""

    @property
    def stored(self) -> Mapping[str, bytes | None]:
        return self._stored

    def knows(self, key: str) -> bool:
        """Whether the collection of a key, or its absence, is known; if not, it is wanted."""
        if self._whole or key in self._stored:
            return True
        self.wanted[key] = None
        return False

    def get(self, key: str) -> Collection | None:
        stored = self._stored.get(key)
        return None if stored is None else _decode(stored)

    def keep(self, key: str, collection: Collection) -> bytes | str:
        """Store a collection that goes on: its bytes, or the reason why it may not grow."""
        body, before = _encode(collection), self._stored.get(key)
        grows = len(body) - len(before or b"")
        if len(body) > ONE_BYTES_MAX:
            return f"the events of one correlation may have {ONE_BYTES_MAX:,} bytes together"
        if before is None and self._room <= 0:
            return "the schedule waits for the events of as many correlations as it may"
        if grows > self._bytes_room:
            return f"the events that wait in one schedule may have {ALL_BYTES_MAX:,} bytes together"
        self._room -= before is None
        self._bytes_room -= grows
        self._stored[key] = body
        return body

    def drop(self, key: str) -> bool:
        """The collection is complete. Whether there was one."""
        before = self._stored.get(key)
        if before is None:
            return False
        self._room += 1
        self._bytes_room += len(before)
        self._stored[key] = None
        return True
