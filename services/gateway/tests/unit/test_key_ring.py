"""The ring of API keys: while keys change without end, and while their pepper is rotated."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from kit.fakes.clocks import FakeClock, in_no_time, running_for
from kit.fakes.gateway.keys import FakeKeys
from kit.fakes.gateway.tables import NOON, GatewayTables
from kit.waiting import eventually
from visapi_common.core.api_keys import hash_key, mint, parse
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.core.keyrings import Keyring, MissingKeyError
from visapi_gateway.kernel.access.authentication import CHANGED_MAX, RELOAD_S, REST, STALE_S, KeyRing
from visapi_gateway.kernel.access.key_upkeep import USES_S
from visapi_gateway.kernel.access.stored_keys import KeysAt, KeyUse, StoredKey

READ_S = 0.05
READS = 4


class ChangingKeys(FakeKeys):
    """Another key changes while all are read, each time; reading takes a while of the clock."""

    ring: KeyRing

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(GatewayTables())
        self._clock = clock

    async def all_keys(self) -> KeysAt:
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
        self.tables, self.clock = GatewayTables(), FakeClock()
        self.keys = FakeKeys(self.tables, *stored)
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
ID = parse(TOKEN).id


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


async def test_a_key_that_changed_and_was_not_read_since_is_refused_until_it_is_read() -> None:
    other = mint("live", 9, 10)
    world = World(row(), row(id=parse(other).id, hash=hash_key(OLD, other)))
    for read in (world.ring.load, partial(world.ring.refresh, [ID])):
        await world.ring.load()
        world.ring.doubt(ID)
        await world.ring.refresh([parse(other).id])
        with pytest.raises(TransientFault, match="cannot be checked now"):
            world.ring.authenticate(TOKEN)
        assert world.ring.authenticate(other).tenant == "acme"
        await read()
        assert world.ring.authenticate(TOKEN).tenant == "acme"


async def test_a_read_that_began_before_a_key_changed_does_not_count() -> None:
    world = World(row())
    await world.ring.load()
    world.keys.faults.hold("all_keys")
    reading = asyncio.create_task(world.ring.load())
    await eventually(lambda: world.keys.faults.entered["all_keys"] == 2)
    world.ring.doubt(ID)
    world.keys.faults.let_go("all_keys")
    await reading
    with pytest.raises(TransientFault, match="cannot be checked now"):
        world.ring.authenticate(TOKEN)


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


async def test_the_clock_of_the_database_judges() -> None:
    """This machine's clock is an hour behind, so a key that expired would still be valid by it."""
    world = World(row(expires_at=AT + timedelta(minutes=30)))
    world.tables.now = AT + timedelta(hours=1)
    await world.ring.load()
    with pytest.raises(ProblemError, match="has expired"):
        world.ring.authenticate(TOKEN)
    world.keys.change(ID, expires_at=None, disabled_at=world.tables.now)
    await world.ring.load()
    with pytest.raises(ProblemError, match="was revoked"):
        world.ring.authenticate(TOKEN)
    world.tables.now = AT - timedelta(hours=1)
    world.keys.change(ID, disabled_at=None, not_before=AT - timedelta(minutes=30))
    await world.ring.load()
    with pytest.raises(ProblemError, match="not valid yet"):
        world.ring.authenticate(TOKEN)


async def test_a_key_expires_between_two_reads() -> None:
    world = World(row(expires_at=AT + timedelta(seconds=2)))
    await world.ring.load()
    assert world.ring.authenticate(TOKEN).tenant == "acme"
    world.clock.now_s += 2
    with pytest.raises(ProblemError, match="has expired"):
        world.ring.authenticate(TOKEN)


@in_no_time
async def test_the_streams_of_keys_that_were_read_too_long_ago_end() -> None:
    world, ended = World(row()), list[str]()
    await world.ring.load()
    world.ring.while_valid(world.ring.authenticate(TOKEN), lambda: ended.append("stream"))
    world.keys.faults.plan("all_keys", *[TransientFault("away")] * 99)
    await running_for(RELOAD_S + 0.1, world.ring.keep_fresh())
    assert ended == []
    world.clock.now_s += STALE_S + 0.1
    await running_for(RELOAD_S + 0.1, world.ring.keep_fresh())
    assert set(ended) == {"stream"}


@pytest.mark.parametrize(
    "change",
    [
        {"disabled_at": AT},
        {"disabled_at": AT, "may_return": True, "reason": "x"},
        {"expires_at": AT - timedelta(hours=2)},
        {"tenant_disabled": True},
        {"scopes": ["runs:read"]},
        {"workflows": ["demo/hello"]},
        {"allowed_addresses": ["203.0.113.0/24"]},
        {"denied_addresses": ["203.0.113.0/24"]},
        None,
    ],
)
async def test_a_key_that_ends_or_may_do_something_else_ends_its_streams_and_no_others(
    change: dict[str, Any] | None,
) -> None:
    other = mint("live", 9, 10)
    world, ended = World(row(), row(id=parse(other).id, hash=hash_key(OLD, other))), list[str]()
    await world.ring.load()
    who = world.ring.authenticate(TOKEN)
    forget = world.ring.while_valid(who, lambda: ended.append("forgotten"))
    forget()
    world.ring.while_valid(who, lambda: ended.append("ended"))
    world.ring.while_valid(world.ring.authenticate(other), lambda: ended.append("other"))
    world.keys.rows[ID] = row(NEW, USED_AFTER, expires_at=AT + timedelta(days=1))
    await world.ring.refresh([ID])
    assert ended == [], "it may do the same"
    if change is None:
        del world.keys.rows[ID]
    else:
        world.keys.rows[ID] = row(**change)
    await world.ring.refresh([ID])
    assert ended == ["ended"]


@in_no_time
async def test_what_is_announced_is_read_alone_and_at_once() -> None:
    world = World(row())
    await world.ring.load()
    world.keys.change(ID, disabled_at=AT)
    world.ring.key_changed(ID)
    await running_for(0.01, world.ring.keep_fresh())
    with pytest.raises(ProblemError, match="was revoked"):
        world.ring.authenticate(TOKEN)
    assert (world.keys.faults.entered["some_keys"], world.keys.faults.entered["all_keys"]) == (1, 1)


@in_no_time
async def test_announcements_that_nobody_can_read_or_that_are_too_many_are_read_as_one() -> None:
    world = World(row())
    await world.ring.load()
    for number in range(CHANGED_MAX * 3):
        world.ring.key_changed(f"{number:016}")
    for junk in ("", "x", "x" * 10_000):
        world.ring.key_changed(junk)
    await running_for(0.01, world.ring.keep_fresh())
    assert (world.keys.faults.entered["some_keys"], world.keys.faults.entered["all_keys"]) == (0, 2)


@in_no_time
async def test_writes_that_hang_delay_no_reading_of_keys_and_uses_are_written_later() -> None:
    world = World(row())
    await world.ring.load()
    world.ring.authenticate(TOKEN)
    for write in ("rehash", "note_use"):
        world.keys.faults.hold(write)
    await world.upkeep()
    assert world.keys.faults.entered["all_keys"] >= 3
    assert await world.last_use() is None
    for write in ("rehash", "note_use"):
        world.keys.faults.let_go(write)
    world.clock.now_s += USES_S
    await world.upkeep()
    assert await world.last_use() is not None


async def test_a_disabled_key_says_why() -> None:
    world = World(row(disabled_at=AT, may_return=True, reason="the laptop was lost"))
    await world.ring.load()
    with pytest.raises(ProblemError, match="the laptop was lost") as refused:
        world.ring.authenticate(TOKEN)
    assert (refused.value.code, refused.value.status) == ("key_disabled", 401)


async def test_one_row_that_nobody_understands_refuses_no_other_key() -> None:
    other = mint("live", 9, 10)
    spoilt = row(id=parse(other).id, hash=hash_key(OLD, other), allowed_addresses=["everywhere"])
    world = World(spoilt, row())
    await world.ring.load()
    assert world.ring.authenticate(TOKEN).tenant == "acme"
    with pytest.raises(ProblemError, match="not known"):
        world.ring.authenticate(other)


@in_no_time
async def test_the_last_use_is_written_with_its_address_and_not_at_each_request() -> None:
    world = World(row())
    await world.ring.load()
    for number in range(1000):
        world.ring.authenticate(TOKEN, f"203.0.113.{number % 9}")
    await world.upkeep()
    assert world.keys.uses == [[KeyUse(ID, AT, f"203.0.113.{999 % 9}")]]
    for _ in range(3):
        world.ring.authenticate(TOKEN)
        world.clock.now_s += USES_S / 4
        await world.upkeep()
    assert len(world.keys.uses) == 1


async def test_long_lists_of_a_key_are_read_once_not_at_each_reload() -> None:
    """A tenant may have a thousand keys with two hundred networks each; all are read every few seconds."""
    many = [f"10.{n // 200}.{n % 200}.0/24" for n in range(100)]
    world = World(row(allowed_addresses=many, denied_addresses=many[:1]))
    await world.ring.load()
    first = world.ring.authenticate(TOKEN, "10.0.5.1")
    world.keys.rows[ID] = row(allowed_addresses=list(many), denied_addresses=many[:1])
    await world.ring.load()
    assert world.ring.authenticate(TOKEN, "10.0.5.1") is first
    world.keys.rows[ID] = row(allowed_addresses=many[:5])
    await world.ring.load()
    with pytest.raises(ProblemError) as refused:
        world.ring.authenticate(TOKEN, "10.0.5.1")
    assert refused.value.code == "address_refused"
