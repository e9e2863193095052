"""`keys.service.KeyStore`."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from kit.gateway_ports import GatewayGround
from kit.gateway_world import key_row
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.keys import KeyView
from visapi_common.core.api_keys import mint
from visapi_common.core.errors import ProblemError
from visapi_gateway.audit.service import AuditFilter
from visapi_gateway.kernel.access.stored_keys import KeyUse, NewHash
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


async def act(ground: GatewayGround, key: KeyRow, *acts: Any, action: AuditAction = AuditAction.KEY_REVOKE):
    async with ground.keys.locked(ground.tenant, key.id) as locked:
        for each in acts:
            await each(locked)
        await locked.record(entry(ground, action))


def ends(may_return: bool, reason: str | None = None) -> Any:
    return lambda locked: locked.end(may_return=may_return, reason=reason)


async def test_a_key_of_another_tenant_is_not_there(ground: GatewayGround):
    key = new(ground)
    await ground.keys.put(key, entry(ground), None)
    for tenant, which in ((ground.other, key.id), (ground.tenant, "none")):
        async with ground.keys.locked(tenant, which) as locked:
            assert locked is None


async def test_a_key_is_disabled_enabled_and_revoked(ground: GatewayGround):
    key = new(ground)
    await ground.keys.put(key, entry(ground), None)
    assert (await shown(ground, key)).status == "active"
    await act(ground, key, ends(may_return=True, reason="lost"))
    first = await shown(ground, key)
    assert (first.status, first.reason) == ("disabled", "lost")
    await act(ground, key, lambda locked: locked.enable())
    assert (await shown(ground, key)).status == "active"
    assert (await shown(ground, key)).reason is None
    await act(ground, key, ends(may_return=True, reason="lost again"))
    disabled = (await shown(ground, key)).disabled_at
    await act(ground, key, ends(may_return=False))
    last = await shown(ground, key)
    assert (last.status, last.disabled_at, last.reason) == ("revoked", disabled, "lost again")
    assert len(await ground.audit.page(ground.tenant, AuditFilter(action="key.revoke"), None, 10)) == 4


async def test_a_disabled_key_is_held_for_ever_a_revoked_one_is_told_for_an_hour(ground: GatewayGround):
    keys = [new(ground) for _ in range(2)]
    for key, may_return in zip(keys, (True, False), strict=True):
        await ground.keys.put(key, entry(ground), None)
        await act(ground, key, ends(may_return=may_return))
    held = {key.id: key.may_return for key in (await ground.keys.all_keys()).keys}
    assert [held[key.id] for key in keys] == [True, False]


async def test_what_fails_while_a_key_is_locked_changes_nothing(ground: GatewayGround):
    key, claim = new(ground), Claim(ground.tenant, "k", b"hash")
    await ground.keys.put(key, entry(ground), None)
    with pytest.raises(ProblemError):
        await _fails(ground, key, claim)
    assert (await shown(ground, key)).status == "active"
    async with ground.keys.locked(ground.tenant, key.id, claim, "it") as locked:
        await locked.record(entry(ground))
    with pytest.raises(KeyTaken):
        await _fails(ground, key, claim)


async def _fails(ground: GatewayGround, key: KeyRow, claim: Claim) -> None:
    async with ground.keys.locked(ground.tenant, key.id, claim, "it") as locked:
        await locked.end(may_return=False, reason=None)
        raise ProblemError("forbidden", "no", status=403)


async def test_a_locked_key_shows_the_keys_of_its_tenant_as_they_are(ground: GatewayGround):
    key, other, foreign = new(ground), new(ground), new(ground)
    foreign = msgspec.structs.replace(foreign, tenant=ground.other)
    for each in (key, other):
        await ground.keys.put(each, entry(ground), None)
    await ground.keys.put(foreign, msgspec.structs.replace(entry(ground), tenant=ground.other), None)
    async with ground.keys.locked(ground.tenant, key.id) as locked:
        assert locked is not None
        await locked.end(may_return=True, reason="x")
        shown_within = [await locked.sibling(each.id) for each in (key, other, foreign)]
        await locked.record(entry(ground))
    assert [view and view.status for view in shown_within] == ["disabled", "active", None]


async def test_a_key_is_changed(ground: GatewayGround):
    key = new(ground)
    await ground.keys.put(key, entry(ground), None)
    ends_at = ground.world.now() + timedelta(days=1)
    limits: dict[str, Any] = {
        "scopes": ["runs:read"],
        "workflows": ["a/b"],
        "allowed_addresses": ["10.0.0.0/8"],
        "denied_addresses": ["10.1.0.0/16"],
        "expires_at": ends_at,
    }
    to = msgspec.structs.replace(await shown(ground, key), name="other", **limits)
    await act(ground, key, lambda locked: locked.change(to))
    assert await shown(ground, key) == to
    [stored] = (await ground.keys.some_keys([key.id])).keys
    assert {name: getattr(stored, name) for name in limits} == limits


async def test_a_successor_shortens_the_old_key_and_never_prolongs_it(ground: GatewayGround):
    old, ending = new(ground), new(ground)
    soon = ground.world.now() + timedelta(minutes=1)
    ending = msgspec.structs.replace(ending, expires_at=soon)
    for key in (old, ending):
        await ground.keys.put(key, entry(ground), None)
        successor = new(ground)
        await act(
            ground, key, lambda locked, to=successor: locked.replace(to, 3600), action=AuditAction.KEY_ROTATE
        )
    end = (await shown(ground, old)).expires_at
    assert end is not None
    assert timedelta(minutes=59) < end - ground.world.now() <= timedelta(minutes=60)
    assert (await shown(ground, ending)).expires_at == soon
    assert len(await ground.keys.page(ground.tenant, None, 10)) == 4


async def test_uses_and_hashes_wait_for_no_key_that_is_being_changed(ground: GatewayGround):
    held, free = new(ground), new(ground)
    for key in (held, free):
        await ground.keys.put(key, entry(ground), None)
    at = ground.world.now()
    async with asyncio.timeout(10), ground.keys.locked(ground.tenant, held.id) as locked:
        await ground.keys.note_use([KeyUse(key.id, at, "::1") for key in (held, free)])
        await ground.keys.rehash([NewHash(key.id, key.hash, b"n" * 32, "new") for key in (held, free)])
        await locked.record(entry(ground))
    assert [(await shown(ground, key)).last_used_at for key in (held, free)] == [None, at]
    stored = {key.id: key.pepper for key in (await ground.keys.some_keys([held.id, free.id])).keys}
    assert (stored[held.id], stored[free.id]) == (held.pepper, "new")
    await ground.keys.note_use([KeyUse(free.id, at - timedelta(seconds=1), "::2")])
    assert (await shown(ground, free)).last_used_from == "::1", "an earlier use replaces no later one"
