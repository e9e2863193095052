"""The ring of API keys: while keys change without end, and while their pepper is rotated."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from kit.fakes.clocks import FakeClock, in_no_time, running_for
from kit.fakes.gateway.keys import FakeKeys
from kit.fakes.gateway.tables import NOON, GatewayTables
from visapi_common.core.api_keys import hash_key, mint, parse
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.core.keyrings import Keyring, MissingKeyError
from visapi_gateway.kernel.access.authentication import RELOAD_S, REST, STALE_S, KeyRing, StoredKey

READ_S = 0.05
READS = 4


class ChangingKeys(FakeKeys):
    """Another key changes while all are read, each time; reading takes a while of the clock."""

    ring: KeyRing

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(GatewayTables())
        self._clock = clock

    async def all_keys(self) -> Sequence[StoredKey]:
        self._clock.now_s += READ_S
        self.ring.reload_soon()
        return await super().all_keys()


@in_no_time
async def test_keys_that_change_without_end_are_read_in_a_fifth_of_the_time() -> None:
    clock = FakeClock()
    keys = ChangingKeys(clock)
    keys.ring = KeyRing(keys, Keyring.of(bytes(32)), clock)
    keys.ring.reload_soon()
    await running_for(READS * REST * READ_S - 0.01, keys.ring.keep_fresh())
    assert keys.faults.entered["all_keys"] == READS


class World:
    """A ring, its keys, and a clock that stands so many seconds after the new pepper's time."""

    def __init__(self, *stored: StoredKey, after_s: float = 0.0) -> None:
        self.keys, self.clock = FakeKeys(GatewayTables(), *stored), FakeClock()
        self.clock.now_s += after_s
        self.ring = KeyRing(self.keys, RING, self.clock)

    async def last_use(self) -> datetime | None:
        shown = await self.keys.one("acme", parse(TOKEN).id)
        return None if shown is None else shown.last_used_at

    async def upkeep(self) -> None:
        """The ring has read the keys twice more, and stored what it learned."""
        await running_for(3 * RELOAD_S, self.ring.keep_fresh())


AT = NOON
"""When the new pepper begins to be used, and where the clock stands."""
OLD, NEW = b"o" * 32, b"n" * 32
RING = Keyring.read(f"{NEW.hex()}@2026-01-01T12:00:00Z,{OLD.hex()}")
USED_BEFORE, USED_AFTER = RING.keys[1].id, RING.keys[0].id
TOKEN = mint("live", 7, 8)


def row(pepper: bytes = OLD, named: str | None = USED_BEFORE, **more: Any) -> StoredKey:
    plain = StoredKey(
        parse(TOKEN).id, "acme", "live", hash_key(pepper, TOKEN), ["*"], None, None, None, pepper=named
    )
    return msgspec.structs.replace(plain, **more)


@pytest.mark.parametrize("named", [None, USED_BEFORE, USED_AFTER, "00000000"])
@in_no_time
async def test_a_key_of_an_earlier_pepper_is_hashed_anew_once_it_is_used(named: str | None) -> None:
    world = World(row(named=named))
    await world.ring.load()
    assert world.ring.authenticate(TOKEN).tenant == "acme"
    await world.upkeep()
    assert world.keys.rows[parse(TOKEN).id] == row(NEW, USED_AFTER)
    assert await world.last_use() == AT
    assert world.ring.authenticate(TOKEN).tenant == "acme"


@in_no_time
async def test_before_its_time_a_new_pepper_is_known_and_changes_nothing() -> None:
    world = World(row(), after_s=-3600)
    await world.ring.load()
    world.ring.authenticate(TOKEN)
    await world.upkeep()
    assert world.keys.rows[parse(TOKEN).id] == row()


@in_no_time
async def test_hashes_and_uses_that_could_not_be_stored_are_stored_later() -> None:
    world = World(row())
    await world.ring.load()
    world.ring.authenticate(TOKEN)
    world.keys.faults.plan("note_use", TransientFault("away"))
    world.keys.faults.plan("rehash", TransientFault("away"))
    await world.upkeep()
    assert await world.last_use() == AT
    assert world.keys.rows[parse(TOKEN).id] == row()
    world.ring.authenticate(TOKEN)
    await world.upkeep()
    assert world.keys.rows[parse(TOKEN).id] == row(NEW, USED_AFTER)


@in_no_time
async def test_keys_that_could_not_be_read_for_long_are_refused_until_they_are_read() -> None:
    world = World(row())
    await world.ring.load()
    world.clock.now_s += STALE_S + 1
    world.keys.faults.plan("all_keys", TransientFault("away"))
    await running_for(RELOAD_S + 0.1, world.ring.keep_fresh())
    with pytest.raises(TransientFault, match="cannot be checked now"):
        world.ring.authenticate(TOKEN)
    await world.upkeep()
    assert world.ring.authenticate(TOKEN).tenant == "acme"


async def test_a_key_whose_pepper_is_not_here_is_not_called_unknown() -> None:
    world = World(row(b"e" * 32, "e1e1e1e1"))
    await world.ring.load()
    with pytest.raises(MissingKeyError, match="pepper e1e1e1e1"):
        world.ring.authenticate(TOKEN)
    with pytest.raises(ProblemError, match="not known"):
        world.ring.authenticate(mint("live", 9, 9))


async def test_a_wrong_secret_is_refused_under_every_pepper() -> None:
    world = World(row())
    await world.ring.load()
    with pytest.raises(ProblemError, match="not known"):
        world.ring.authenticate(mint("live", 7, 9))


async def test_a_revoked_key_stays_revoked_through_a_rotation() -> None:
    world = World(row(disabled_at=AT - timedelta(minutes=2)))
    await world.ring.load()
    with pytest.raises(ProblemError, match="was revoked"):
        world.ring.authenticate(TOKEN)
