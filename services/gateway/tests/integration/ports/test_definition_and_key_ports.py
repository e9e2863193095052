"""`workflows.definitions.DefinitionSource` and `kernel.access.stored_keys.KeySource`."""

from datetime import timedelta

from kit.gateway_ports import GatewayGround
from visapi_common.core.api_keys import hash_key, parse
from visapi_gateway.kernel.access.stored_keys import KeyUse, NewHash, StoredKey

PEPPER = bytes(32)


async def test_the_program_of_a_version_is_read_by_its_tenant_alone(ground: GatewayGround):
    compiled = await ground.world.deploy(ground.tenant, "1.0.0")
    name = (ground.tenant, "test", "flow")
    found = await ground.workflows.program_of(name, "1.0.0")
    assert found == (bytes.fromhex(compiled.hash), compiled.body)
    assert await ground.workflows.program_of(name, "2.0.0") is None
    assert await ground.workflows.program_of((ground.other, "test", "flow"), "1.0.0") is None


async def test_the_highest_version_follows_semantic_versioning(ground: GatewayGround):
    name = (ground.tenant, "test", "flow")
    assert await ground.workflows.highest(name) is None
    for version in ("1.9.0", "1.10.0", "1.10.0-rc.1"):
        await ground.world.deploy(ground.tenant, version)
    assert await ground.workflows.highest(name) == "1.10.0"
    assert await ground.workflows.highest((ground.other, "test", "flow")) is None


async def stored(ground: GatewayGround, token: str) -> StoredKey:
    (row,) = [key for key in (await ground.keys.all_keys()).keys if key.id == parse(token).id]
    assert (await ground.keys.some_keys([parse(token).id, "none"])).keys == [row]
    return row


async def test_keys_of_all_tenants_are_read(ground: GatewayGround):
    tokens = [await ground.world.put_key(tenant, PEPPER) for tenant in (ground.tenant, ground.other)]
    rows = [await stored(ground, token) for token in tokens]
    assert [row.tenant for row in rows] == [ground.tenant, ground.other]
    assert [row.hash for row in rows] == [hash_key(PEPPER, token) for token in tokens]
    assert {(row.kind, row.disabled_at, row.tenant_disabled) for row in rows} == {("live", None, False)}


async def test_a_hash_is_replaced_only_where_it_is_still_the_one_before(ground: GatewayGround):
    token = await ground.world.put_key(ground.tenant, PEPPER)
    before = await stored(ground, token)
    await ground.keys.rehash([NewHash(before.id, b"other", b"never", "p1")])
    assert await stored(ground, token) == before
    await ground.keys.rehash([NewHash(before.id, before.hash, b"fresh", "p1")])
    after = await stored(ground, token)
    assert (after.hash, after.pepper) == (b"fresh", "p1")


async def test_the_uses_of_keys_are_stored_and_a_key_that_is_gone_disturbs_none(ground: GatewayGround):
    token = await ground.world.put_key(ground.tenant, PEPPER)
    now = ground.world.now()
    for at, address in ((now, "203.0.113.9"), (now - timedelta(hours=1), "::1")):
        await ground.keys.note_use([KeyUse(parse(token).id, at, address), KeyUse("gone", at, address)])
    assert await ground.world.last_use(parse(token).id) == now
    view = await ground.keys.one(ground.tenant, parse(token).id)
    assert (view.last_used_at, view.last_used_from) == (now, "203.0.113.9")


async def test_keys_come_with_the_time_of_the_database(ground: GatewayGround):
    found = await ground.keys.all_keys()
    assert abs(found.at - ground.world.now()) < timedelta(seconds=60)
