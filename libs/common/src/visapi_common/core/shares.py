"""Slots that are shared so that no holder can take the last one. Pure.

A holder gets another slot only while more slots are free than it holds (dynamic thresholds, Choudhury and
Hahne, 1998). So one greedy holder gets at most half of all slots, two get a third each, and a new holder is
refused only when every slot is taken; with `least` not even then.
"""

from collections.abc import Mapping


class Share:
    """`total` slots, at most `each` for one holder. Every holder gets `least`, even when no slot is free."""

    def __init__(self, total: int, each: int | None = None, *, least: int = 0) -> None:
        self.total = total
        self.used = 0
        self._each = each
        self._least = least
        self._held: dict[str, int] = {}

    def held(self, who: str) -> int:
        return self._held.get(who, 0)

    def take(self, who: str, places: int = 1) -> bool:
        """Take slots; returns whether the holder got them. A holder within its share gets any number at
        once.
        """
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
        """Replace the counts by authoritative ones."""
        self._held = dict(held)
        self.used = sum(held.values())
