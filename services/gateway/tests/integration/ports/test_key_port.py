"""`keys.service.KeyStore`."""

from datetime import timedelta

import msgspec
import pytest

from kit.gateway_ports import GatewayGround
from kit.gateway_world import key_row
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.keys import KeyView
from visapi_common.core.api_keys import mint
from visapi_gateway.audit.service import AuditFilter
from visapi_gateway.kernel.idempotency.rules import Claim, KeyTaken
from visapi_gateway.keys.service import KeyRow

PEPPER = bytes(32)


def new(ground: GatewayGround) -> KeyRow:
    return key_row(mint("live", ground.world.ids.uuid7().int, 1), ground.tenant, PEPPER)


def entry(ground: GatewayGround, action: AuditAction = AuditAction.KEY_CREATE) -> AuditEntry:
    return AuditEntry(ground.tenant, "key:a", action, "it", None, "r", {})


async def shown(ground: GatewayGround, key: KeyRow) -> KeyView:
    view = await ground.keys.one(ground.tenant, key.id)
    assert view is not None
    return view


async def test_a_key_is_stored_with_its_audit_entry_and_the_key_of_its_request(ground: GatewayGround):
    key, claim = new(ground), Claim(ground.tenant, "k", b"hash")
    await ground.keys.put(key, entry(ground), claim)
    view = await shown(ground, key)
    assert (view.name, view.kind, view.scopes, view.created_by) == ("test", "live", ["*"], "test")
    assert (view.disabled_at, view.last_used_at) == (None, None)
    assert await ground.keys.one(ground.other, key.id) is None
    with pytest.raises(KeyTaken):
        await ground.keys.put(new(ground), entry(ground), claim)
    assert len(await ground.audit.page(ground.tenant, AuditFilter(), None, 10)) == 1


async def test_keys_are_listed_by_id_to_their_tenant(ground: GatewayGround):
    keys = [new(ground) for _ in range(3)]
    for key in keys:
        await ground.keys.put(key, entry(ground), None)
    ids = sorted(key.id for key in keys)
    assert [view.id for view in await ground.keys.page(ground.tenant, None, 2)] == ids[:2]
    assert [view.id for view in await ground.keys.page(ground.tenant, ids[1], 2)] == ids[2:]
    assert list(await ground.keys.page(ground.other, None, 2)) == []


async def test_a_key_is_disabled_once(ground: GatewayGround):
    key, revoke = new(ground), entry(ground, AuditAction.KEY_REVOKE)
    await ground.keys.put(key, entry(ground), None)
    assert await ground.keys.disable(key.id, revoke)
    first = (await shown(ground, key)).disabled_at
    assert first is not None
    assert await ground.keys.disable(key.id, revoke)
    assert (await shown(ground, key)).disabled_at == first
    assert not await ground.keys.disable("none", revoke)
    assert len(await ground.audit.page(ground.tenant, AuditFilter(action="key.revoke"), None, 10)) == 1


async def test_a_successor_shortens_the_old_key_and_never_prolongs_it(ground: GatewayGround):
    old, ending = new(ground), new(ground)
    soon = ground.world.now() + timedelta(minutes=1)
    ending = msgspec.structs.replace(ending, expires_at=soon)
    for key in (old, ending):
        await ground.keys.put(key, entry(ground), None)
        await ground.keys.replace(key.id, 3600, new(ground), entry(ground, AuditAction.KEY_ROTATE), None)
    end = (await shown(ground, old)).expires_at
    assert end is not None
    assert timedelta(minutes=59) < end - ground.world.now() <= timedelta(minutes=60)
    assert (await shown(ground, ending)).expires_at == soon
    assert len(await ground.keys.page(ground.tenant, None, 10)) == 4
