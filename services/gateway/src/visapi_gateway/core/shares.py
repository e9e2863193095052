"""A number of places that is shared so that no holder can take the last of them. Pure.

Whoever holds places gets another one only while more are free than it holds (the dynamic thresholds of
Choudhury and Hahne). One greedy holder therefore ends at half of all places, two at a third each, and
somebody who holds none is refused only when every single place is taken.
"""


class Share:
    """`total` places, at most `each` of them for one holder."""

    def __init__(self, total: int, each: int | None = None) -> None:
        self.total = total
        self._each = total if each is None else each
        self._held: dict[str, int] = {}
        self.used = 0

    def held(self, who: str) -> int:
        return self._held.get(who, 0)

    def take(self, who: str, places: int = 1) -> bool:
        """Whether the holder got them. A holder within its share gets any number at once."""
        held, free = self._held.get(who, 0), self.total - self.used
        if held >= min(self._each, free) or free <= 0:
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
