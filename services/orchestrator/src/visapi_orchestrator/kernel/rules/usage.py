"""Which tenants have used little of the orchestrator lately. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

WINDOW_S: Final = 1.0
LITTLE: Final = 8
"""A tenant with less than one in so many of the runs that were advanced has used little."""


class Usage:
    """How many runs of each tenant were advanced within one to two windows. `now` is a monotonic clock, in
    seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = now()
        self._current: Counter[str] = Counter()
        self._before: Counter[str] = Counter()
        self._all_current = 0
        self._all_before = 0

    def note(self, tenants: Iterable[str]) -> None:
        """A run of each was advanced."""
        self._turn()
        for tenant in tenants:
            self._current[tenant] += 1
            self._all_current += 1

    def is_little(self, tenant: str) -> bool:
        """Whether the tenant has used little. Where nobody has used anything, nobody has."""
        self._turn()
        mine = self._current[tenant] + self._before[tenant]
        return mine * LITTLE < self._all_current + self._all_before

    def _turn(self) -> None:
        passed_s = self._now() - self._began
        if passed_s < WINDOW_S:
            return
        recent = passed_s < 2 * WINDOW_S
        self._before, self._all_before = (self._current, self._all_current) if recent else (Counter(), 0)
        self._current, self._all_current = Counter(), 0
        self._began = self._now()
