"""Rate-limited sampling. Pure."""

HOUR_S = 3600.0


class Sample:
    """Takes at most one in `every_s` seconds, and `per_hour` in an hour."""

    def __init__(self, *, every_s: float, per_hour: int) -> None:
        self._every_s = every_s
        self._per_hour = per_hour
        self._hour_began = self._last = float("-inf")
        self._taken = 0

    def takes(self, now: float) -> bool:
        """Whether an item at this time is taken; a taken item counts."""
        if now - self._hour_began >= HOUR_S:
            self._hour_began, self._taken = now, 0
        if now - self._last < self._every_s or self._taken >= self._per_hour:
            return False
        self._last = now
        self._taken += 1
        return True
