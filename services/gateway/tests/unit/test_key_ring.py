"""The ring of keys while keys change without end."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from visapi_gateway.kernel.access.authentication import REST, KeyRing, StoredKey

READ_S = 0.05
READS = 4


class Source:
    """Another key changes while all are read, each time; reading takes a while of the clock."""

    def __init__(self) -> None:
        self.ring: KeyRing | None = None
        self.reads = 0
        self.enough = asyncio.Event()
        self.elapsed_s = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self.elapsed_s

    async def all_keys(self) -> Sequence[StoredKey]:
        self.reads += 1
        self.elapsed_s += READ_S
        assert self.ring is not None
        self.ring.reload_soon()
        if self.reads == READS:
            self.enough.set()
        return []

    async def note_use(self, used: dict[str, datetime]) -> None:
        raise AssertionError("no key was used")


async def test_keys_that_change_without_end_are_read_in_a_fifth_of_the_time() -> None:
    source = Source()
    source.ring = KeyRing(source, bytes(32), source)
    source.ring.reload_soon()
    began = time.monotonic()
    keeping = asyncio.create_task(source.ring.keep_fresh())
    async with asyncio.timeout(10):
        await source.enough.wait()
    keeping.cancel()
    assert time.monotonic() - began >= REST * READ_S * (READS - 1)
