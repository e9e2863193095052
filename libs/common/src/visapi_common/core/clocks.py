"""The clock protocols; `adapters.clock` implements them."""

from datetime import datetime
from typing import Protocol


class WallClock(Protocol):
    """The time of day. Timers, leases and schedules use the database's clock instead."""

    def now(self) -> datetime:
        """In UTC."""
        ...


class MonotonicClock(Protocol):
    def monotonic(self) -> float:
        """Monotonic seconds; only differences have a meaning."""
        ...


class Clock(WallClock, MonotonicClock, Protocol):
    """Both."""
