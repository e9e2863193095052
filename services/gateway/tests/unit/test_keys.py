"""Keys are made, rotated and revoked only by keys that have their scopes, and every replica hears of it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from kit.fakes.clocks import FakeClock
from kit.fakes.gateway.keys import FakeKeys
from kit.fakes.gateway.tables import TENANT, WHO, GatewayTables
from kit.gateway_world import key_row
from visapi_common.contracts.keys import KEY_OVERLAP_MAX_S, ChangeKey, NewKey
from visapi_common.core.api_keys import hash_key, mint, parse
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.core.keyrings import Keyring
from visapi_gateway.kernel.access.authentication import KeyRing
from visapi_gateway.kernel.access.scopes import DEFAULT_SCOPES, Requester
from visapi_gateway.kernel.access.stored_keys import KeysAt
from visapi_gateway.kernel.access.tenant import WHOSE
from visapi_gateway.keys.announcing import ChangedKeys
from visapi_gateway.keys.service import KeyRow, Keys

PEPPER = bytes(32)
READER = Requester("b", TENANT, "live", frozenset(["runs:read", "keys:admin"]), request_id="r2")


def calling_row(who: Requester) -> KeyRow:
    """The row of a calling key that does not end."""
    row = key_row(mint("live", 0, 1), TENANT, PEPPER)
    return msgspec.structs.replace(row, id=who.key, kind=who.kind, scopes=sorted(who.scopes))


class World:
    def __init__(self) -> None:
        self.tables, self.clock = GatewayTables(), FakeClock()
        self.store = FakeKeys(self.tables)
        self.announced: list[str] = []
        self._minted = 0
        for who in (WHO, READER):
            self.store.store(calling_row(who))
        self.keys = Keys(self.store, self.mint, self.announce, peppers=Keyring.of(PEPPER), clock=self.clock)

    def mint(self, kind: str) -> str:
        self._minted += 1
        return mint(kind, self._minted, 1)

    def own_rows(self) -> list[str]:
        """The keys beside those that call."""
        return [key for key in self.store.rows if key not in (WHO.key, READER.key)]

    async def announce(self, key: str) -> None:
        self.announced.append(key)


async def test_a_new_key_is_shown_once_stored_as_a_hash_and_announced():
    world = World()
    made = await world.keys.make(WHO, NewKey("ci"))
    assert made.key is not None
    row = world.store.rows[made.id]
    assert (row.hash, parse(made.key).id) == (hash_key(PEPPER, made.key), made.id)
    assert made.scopes == sorted(DEFAULT_SCOPES)
    assert world.announced == [made.id]
    assert (await world.keys.made_before(TENANT, made.id)).key is None


async def test_a_key_that_could_not_be_stored_is_not_announced():
    world = World()
    world.store.faults.plan("put", TransientFault("away"))
    with pytest.raises(TransientFault):
        await world.keys.make(WHO, NewKey("ci"))
    assert world.announced == []


async def test_a_key_gets_no_scope_that_its_maker_lacks():
    world = World()
    assert (await world.keys.make(READER, NewKey("mine"))).scopes == ["runs:read"]
    for wanted in (NewKey("more", scopes=["runs:write"]), NewKey("admin", kind="admin")):
        with pytest.raises(ProblemError, match="may do no more than itself") as refused:
            await world.keys.make(READER, wanted)
        assert refused.value.status == 403


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [({"name": " "}, "/name"), ({"kind": "root"}, "/kind"), ({"scopes": ["runs:fly"]}, "/scopes")],
)
async def test_a_wrong_request_says_where_it_is_wrong(wanted: dict[str, Any], pointer: str):
    with pytest.raises(ProblemError) as refused:
        await World().keys.make(WHO, NewKey(**{"name": "ci", **wanted}))
    assert [one.pointer for one in refused.value.errors or []] == [pointer]


async def test_a_key_revokes_itself_and_those_whose_scopes_it_has():
    world = World()
    strong = await world.keys.make(WHO, NewKey("strong", scopes=["*"]))
    weak = await world.keys.make(READER, NewKey("weak"))
    with pytest.raises(ProblemError, match="may do no more than itself"):
        await world.keys.revoke(READER, strong.id)
    await world.keys.revoke(READER, weak.id)
    itself = Requester(strong.id, TENANT, "test", frozenset(), request_id="r3")
    await world.keys.revoke(itself, strong.id)
    assert world.announced[2:] == [weak.id, strong.id]
    with pytest.raises(ProblemError, match="there is no key"):
        await world.keys.revoke(WHO, "none")


async def test_a_successor_has_the_same_scopes_and_the_old_key_ends_after_the_overlap():
    world = World()
    old = await world.keys.make(READER, NewKey("ci"))
    new = await world.keys.rotate(READER, old.id, 60)
    assert (new.name, new.scopes, new.expires_at) == ("ci", ["runs:read"], None)
    end = (await world.keys.view(TENANT, old.id)).expires_at
    assert end is not None
    assert (end - world.tables.now).total_seconds() == 60
    assert world.announced[1:] == [old.id, new.id]


async def test_a_revoked_key_and_a_long_overlap_are_refused():
    world = World()
    old = await world.keys.make(WHO, NewKey("ci"))
    for seconds in (-1, KEY_OVERLAP_MAX_S + 1):
        with pytest.raises(ProblemError, match="/overlap_s"):
            await world.keys.rotate(WHO, old.id, seconds)
    await world.keys.revoke(WHO, old.id)
    with pytest.raises(ProblemError, match="is revoked"):
        await world.keys.rotate(WHO, old.id, 60)
    assert world.own_rows() == [old.id]


async def test_an_expired_key_is_neither_prolonged_nor_rotated():
    world = World()
    end = world.tables.now + timedelta(hours=1)
    old = await world.keys.make(WHO, NewKey("ci", expires_at=end))
    world.tables.now = end
    for change in (ChangeKey(expires_at=None), ChangeKey(expires_at=end + timedelta(days=1)), ChangeKey("x")):
        with pytest.raises(ProblemError, match="is expired; make a new one") as refused:
            await world.keys.change(WHO, old.id, change, "*")
        assert (refused.value.code, refused.value.status) == ("key_ended", 409)
    with pytest.raises(ProblemError, match="is expired; make a new one"):
        await world.keys.rotate(WHO, old.id, 60)
    assert (world.own_rows(), world.store.rows[old.id].expires_at) == ([old.id], end)


async def test_no_key_begins_expired_and_one_that_is_ended_by_its_end_stays_so():
    world = World()
    past = world.tables.now - timedelta(seconds=1)
    for end in (past, world.tables.now):
        with pytest.raises(ProblemError, match="/expires_at: is in the past"):
            await world.keys.make(WHO, NewKey("ci", expires_at=end))
    made = await world.keys.make(WHO, NewKey("ci"))
    assert (await world.keys.change(WHO, made.id, ChangeKey(expires_at=past), "*")).status == "expired"
    with pytest.raises(ProblemError, match="is expired"):
        await world.keys.change(WHO, made.id, ChangeKey(expires_at=None), "*")


class KeysThatTellWhoAsks(FakeKeys):
    """The tenants in whose turn keys were read."""

    def __init__(self) -> None:
        super().__init__(GatewayTables())
        self.readers: list[str] = []

    async def some_keys(self, keys: Sequence[str]) -> KeysAt:
        self.readers.append(WHOSE.get())
        return await super().some_keys(keys)


async def test_a_changed_key_is_read_in_the_gateways_own_turn_not_in_that_of_the_tenant():
    source, published = KeysThatTellWhoAsks(), list[str]()
    changed = ChangedKeys(KeyRing(source, Keyring.of(PEPPER), FakeClock()), published.append)
    whose = WHOSE.set(TENANT)
    try:
        await changed("one")
        source.faults.plan("some_keys", TransientFault("away"))
        await changed("two")
        assert WHOSE.get() == TENANT
    finally:
        WHOSE.reset(whose)
    assert (source.readers, published) == (["", ""], ["one", "two"])


async def test_a_key_that_has_changed_meanwhile_is_not_compared():
    world = World()
    strong = await world.keys.make(WHO, NewKey("strong", scopes=["*"]))
    with pytest.raises(ProblemError, match="has changed since it was read"):
        await world.keys.disable(READER, strong.id, "x", '"other"')


async def test_a_calling_key_that_is_stored_no_more_gives_nothing_out():
    world = World()
    key = (await world.keys.make(WHO, NewKey("ci"))).id
    await world.keys.disable(WHO, key, "x")
    other = (await world.keys.make(WHO, NewKey("other", scopes=["runs:read"]))).id
    del world.store.rows[WHO.key]
    for giving in (
        world.keys.make(WHO, NewKey("more")),
        world.keys.enable(WHO, key),
        world.keys.rotate(WHO, other, 60),
        world.keys.change(WHO, other, ChangeKey(scopes=["*"]), "*"),
    ):
        with pytest.raises(ProblemError, match="the calling key is gone") as refused:
            await giving
        assert refused.value.status == 403
    assert world.own_rows() == [key, other]
    assert world.store.rows[key].disabled_at is not None


async def test_the_end_of_the_calling_key_is_read_while_the_changed_key_is_locked():
    world = World()
    key = (await world.keys.make(WHO, NewKey("ci", scopes=["runs:read"]))).id
    world.store.faults.hold("locked")
    changing = asyncio.create_task(world.keys.change(WHO, key, ChangeKey(scopes=["*"]), "*"))
    async with asyncio.timeout(10):
        while not world.store.faults.entered["locked"]:
            await asyncio.sleep(0)
    world.store.change(WHO.key, expires_at=world.tables.now + timedelta(hours=1))
    world.store.faults.let_go("locked")
    with pytest.raises(ProblemError, match="gives out no key that ends later"):
        await changing
