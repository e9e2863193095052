"""Places that are shared so that no holder can take the last of them. Pure.

Whoever holds places gets another one only while more are free than it holds (the dynamic thresholds of
Choudhury and Hahne, 1998). One greedy holder therefore ends at half of all places, two at a third each, and
somebody who holds none is refused only when every single place is taken; with a `least` not even then.
"""

from collections.abc import Mapping


class Share:
    """`total` places, at most `each` of them for one holder; everybody gets `least`, however few are left."""

    def __init__(self, total: int, each: int | None = None, *, least: int = 0) -> None:
        self.total = total
        self.used = 0
        self._each = each
        self._least = least
        self._held: dict[str, int] = {}

    def held(self, who: str) -> int:
        return self._held.get(who, 0)

    def take(self, who: str, places: int = 1) -> bool:
        """Whether the holder got them. A holder within its share gets any number at once."""
        held = self.held(who)
        most = max(self.total - self.used, self._least)
        if held >= (most if self._each is None else min(most, self._each)):
            return False
        self._held[who] = held + places
        self.used += places
        return True

    def give_back(self, who: str, places: int = 1) -> None:
        left = self._held[who] - places
        self.used -= places
        if left:
            self._held[who] = left
        else:
            del self._held[who]

    def counted(self, held: Mapping[str, int]) -> None:
        """What each holds according to somebody who knows better."""
        self._held = dict(held)
        self.used = sum(held.values())
