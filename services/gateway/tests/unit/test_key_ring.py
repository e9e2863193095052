"""The ring of API keys: while keys change without end, and while their pepper is rotated."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kit.waiting import eventually
from visapi_common.core.api_keys import hash_key, mint, parse
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring, MissingKeyError
from visapi_gateway.kernel.access.authentication import REST, KeyRing, NewHash, StoredKey

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

    async def rehash(self, hashes: Sequence[NewHash]) -> None:
        raise AssertionError("no key was used")


async def test_keys_that_change_without_end_are_read_in_a_fifth_of_the_time() -> None:
    source = Source()
    source.ring = KeyRing(source, Keyring.of(bytes(32)), source)
    source.ring.reload_soon()
    began = time.monotonic()
    keeping = asyncio.create_task(source.ring.keep_fresh())
    async with asyncio.timeout(10):
        await source.enough.wait()
    keeping.cancel()
    assert time.monotonic() - began >= REST * READ_S * (READS - 1)


class Rows:
    """Keys as the ledger has them, under a clock of the test."""

    def __init__(self, *stored: StoredKey) -> None:
        self.rows = {key.id: key for key in stored}
        self.time = AT - timedelta(hours=1)
        self.reads = 0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def all_keys(self) -> Sequence[StoredKey]:
        self.reads += 1
        return list(self.rows.values())

    async def note_use(self, used: dict[str, datetime]) -> None:
        pass

    async def rehash(self, hashes: Sequence[NewHash]) -> None:
        for one in hashes:
            row = self.rows[one.id]
            if row.hash == one.before:
                self.rows[one.id] = msgspec.structs.replace(row, hash=one.hash, pepper=one.pepper)

    async def after(self, ring: KeyRing) -> None:
        """A whole round of the ring's upkeep: it has read the keys twice."""
        keeping, before = asyncio.create_task(ring.keep_fresh()), self.reads

        def twice() -> bool:
            ring.reload_soon()
            return self.reads >= before + 2

        await eventually(twice)
        keeping.cancel()
        await asyncio.wait([keeping])
        await ring.load()


AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
OLD, NEW = b"o" * 32, b"n" * 32
RING = Keyring.read(f"{NEW.hex()}@2026-12-01T12:00:00Z,{OLD.hex()}")
"""The old pepper is used until noon."""
USED_BEFORE, USED_AFTER = RING.keys[1].id, RING.keys[0].id
TOKEN = mint("live", 7, 8)


def row(pepper: bytes = OLD, named: str | None = USED_BEFORE, **more: Any) -> StoredKey:
    plain = StoredKey(
        parse(TOKEN).id, "acme", "live", hash_key(pepper, TOKEN), ["*"], None, None, None, pepper=named
    )
    return msgspec.structs.replace(plain, **more)


@pytest.mark.parametrize("named", [None, USED_BEFORE, USED_AFTER, "00000000"])
async def test_a_key_of_an_earlier_pepper_is_hashed_anew_once_it_is_used(named: str | None) -> None:
    rows = Rows(row(named=named))
    ring = KeyRing(rows, RING, rows)
    rows.time = AT
    await ring.load()
    assert ring.authenticate(TOKEN).tenant == "acme"
    await rows.after(ring)
    assert rows.rows[parse(TOKEN).id] == row(NEW, USED_AFTER)
    assert ring.authenticate(TOKEN).tenant == "acme"


async def test_before_its_time_a_new_pepper_is_known_and_changes_nothing() -> None:
    rows = Rows(row())
    ring = KeyRing(rows, RING, rows)
    await ring.load()
    ring.authenticate(TOKEN)
    await rows.after(ring)
    assert rows.rows[parse(TOKEN).id] == row()


async def test_a_key_whose_pepper_is_not_here_is_not_called_unknown() -> None:
    rows = Rows(row(b"e" * 32, "e1e1e1e1"))
    ring = KeyRing(rows, RING, rows)
    await ring.load()
    with pytest.raises(MissingKeyError, match="pepper e1e1e1e1"):
        ring.authenticate(TOKEN)
    with pytest.raises(ProblemError, match="not known"):
        ring.authenticate(mint("live", 9, 9))


async def test_a_wrong_secret_is_refused_under_every_pepper() -> None:
    rows = Rows(row())
    ring = KeyRing(rows, RING, rows)
    await ring.load()
    with pytest.raises(ProblemError, match="not known"):
        ring.authenticate(mint("live", 7, 9))


async def test_a_revoked_key_stays_revoked_through_a_rotation() -> None:
    rows = Rows(row(disabled_at=AT - timedelta(hours=2)))
    ring = KeyRing(rows, RING, rows)
    rows.time = AT
    await ring.load()
    with pytest.raises(ProblemError, match="was revoked"):
        ring.authenticate(TOKEN)
