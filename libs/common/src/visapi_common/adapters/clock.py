"""The system clock and the random source of ids; no other file reads them."""

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

from visapi_common.core.clocks import Clock
from visapi_common.core.ids import Ids, uuid7_from


class SystemClock(Clock):
    """This machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class RandomIds(Ids):
    """A UUIDv7 (RFC 9562) of the current time and random bits."""

    def uuid7(self) -> UUID:
        return uuid7_from(time.time_ns() // 1_000_000, secrets.randbits(80))
