"""Whose document a killed process belonged to. Pure.

Of a killed renderer the browser tells its page that it crashed, and no other. So a kill is charged once: to
the first document, in work when it happened, whose page crashes after it. A crash that follows much later has
another cause.
"""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

TOLD_WITHIN_S = 5.0
"""From the kill to the word of it; a few milliseconds, unless the machine is overloaded."""


class Blame(Generic[T]):
    """Kills that nobody was charged with yet; the clock is the caller's."""

    def __init__(self) -> None:
        self._kills: deque[tuple[float, T]] = deque()

    def killed(self, now: float, cause: T) -> None:
        self._kills.append((now, cause))

    def claim(self, begun: float, now: float) -> T | None:
        """Why a document begun at `begun` was killed that crashed at `now`; None when nobody killed it."""
        while self._kills and self._kills[0][0] < now - TOLD_WITHIN_S:
            self._kills.popleft()
        for kill in self._kills:
            if kill[0] >= begun:
                self._kills.remove(kill)
                return kill[1]
        return None
