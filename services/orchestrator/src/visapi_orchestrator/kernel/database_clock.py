"""The database's clock, estimated between round trips: the times of events are PostgreSQL's."""

from visapi_common.core.clocks import MonotonicClock


class DatabaseClock:
    """Set to the time in PostgreSQL's answers; between them it follows the monotonic clock."""

    def __init__(self, monotonic: MonotonicClock) -> None:
        self._monotonic = monotonic
        self._offset_ms: float | None = None

    def heard(self, now_ms: int) -> None:
        """Record the time that PostgreSQL reported."""
        self._offset_ms = now_ms - self._monotonic.monotonic() * 1000

    def now_ms(self) -> int:
        """Unix milliseconds. The pump asks PostgreSQL before it takes the first message."""
        assert self._offset_ms is not None, "the database has not been asked for the time yet"
        return int(self._monotonic.monotonic() * 1000 + self._offset_ms)
