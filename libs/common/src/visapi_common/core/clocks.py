"""What code that decides may ask for the time, and what `adapters.clock` answers with."""

from datetime import datetime
from typing import Protocol


class WallClock(Protocol):
    """The time of day. Timers, leases and schedules use the database's clock instead (DESIGN 3.8)."""

    def now(self) -> datetime:
        """In UTC."""
        ...


class MonotonicClock(Protocol):
    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...


class Clock(WallClock, MonotonicClock, Protocol):
    """Both."""
