"""The latest changes of one tenant, for all its followers. Pure."""

from bisect import bisect_right
from collections.abc import Sequence

from visapi_gateway.runs.changes.rules.changes import Change
from visapi_gateway.runs.changes.rules.positions import Key, Position


class Ring:
    """Holds every change between `begin` and `end`, and drops the oldest ones."""

    def __init__(self, begin: Position) -> None:
        self.begin = begin.key
        self.end = begin
        self._changes: list[Change] = []

    def __len__(self) -> int:
        return len(self._changes)

    def advance(self, changes: Sequence[Change], end: Position, most: int) -> None:
        """Take the changes up to `end`, and hold at most `most`."""
        self._changes += changes
        self.end = end
        excess = len(self._changes) - most
        if excess > 0:
            self.begin = self._changes[excess - 1].position.key
            del self._changes[:excess]

    def holds(self, key: Key) -> bool:
        """Whether no change after `key` was dropped."""
        return key >= self.begin

    def after(self, key: Key, limit: int) -> Sequence[Change]:
        """The next changes after `key`."""
        start = bisect_right(self._changes, key, key=_key)
        return self._changes[start : start + limit]


def _key(change: Change) -> Key:
    return change.position.key
