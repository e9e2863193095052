"""The real clock and the real source of ids: the only places that read either."""

import secrets
import time
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from visapi_common.core.ids import uuid7_from


class Clock(Protocol):
    """What knows the time. Timers, leases and schedules use the database's clock instead (DESIGN 3.8)."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...


class Ids(Protocol):
    """What makes new identifiers."""

    def uuid7(self) -> UUID: ...


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def unix_s(self) -> int:
        """Whole seconds since 1970."""
        return int(time.time())


class RandomIds:
    """UUIDv7 (RFC 9562) of now and 80 random bits."""

    def uuid7(self) -> UUID:
        return uuid7_from(time.time_ns() // 1_000_000, secrets.randbits(80))
