"""`dead_letters.service.DeadLetterStore`."""

from uuid import UUID

import pytest

from kit.gateway_ports import GatewayGround
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_gateway.audit.service import AuditFilter
from visapi_gateway.dead_letters.service import DeadLetterFilter, LetterScope, Resolution
from visapi_gateway.kernel.idempotency.rules import Claim, KeyTaken
from visapi_gateway.runs.commands.service import InboxRow

ALL = DeadLetterFilter(None, None)


def mine(ground: GatewayGround) -> LetterScope:
    return LetterScope(ground.tenant, unknown_tenants=False)


def resolution(ground: GatewayGround, letter: UUID, run: UUID | None = None) -> Resolution:
    action = AuditAction.DEAD_LETTER_RESOLVE
    audit = AuditEntry(ground.tenant, "key:a", action, f"dead-letter:{letter}", None, "r", {})
    row = None if run is None else InboxRow(run, f"resolve:{letter}", ground.tenant, "resolve", b"{}")
    return Resolution(letter, "key:a", "happened", audit, row)


async def listed(ground: GatewayGround, wanted: DeadLetterFilter = ALL, before: UUID | None = None):
    return [letter.id for letter in await ground.letters.page(mine(ground), wanted, before, 10)]


async def test_an_uncertain_task_is_a_letter_of_its_tenant(ground: GatewayGround):
    run = await ground.world.run(ground.tenant)
    letter = await ground.world.hold(run)
    shown = await ground.letters.one(mine(ground), letter)
    assert shown is not None
    assert (shown.kind, shown.run, shown.path, shown.function) == ("task", run, "/do/0/a", "acme.a")
    assert (shown.resolved_at, shown.tenant) == (None, ground.tenant)
    assert await ground.letters.one(LetterScope(ground.other, unknown_tenants=True), letter) is None
    assert await ground.letters.message(mine(ground), letter) is None


async def test_letters_are_listed_newest_first_by_kind_and_state(ground: GatewayGround):
    task = await ground.world.hold(await ground.world.run(ground.tenant))
    message = await ground.world.set_aside(ground.tenant, b"one")
    await ground.world.set_aside(ground.other, b"other")
    assert await listed(ground) == [message, task]
    assert await listed(ground, before=message) == [task]
    assert await listed(ground, DeadLetterFilter(None, "message")) == [message]
    assert await ground.letters.resolve(mine(ground), resolution(ground, task), None)
    assert await listed(ground, DeadLetterFilter(True, None)) == [task]
    assert await listed(ground, DeadLetterFilter(False, None)) == [message]


async def test_a_message_is_read_as_it_was_set_aside(ground: GatewayGround):
    letter = await ground.world.set_aside(ground.tenant, b"one")
    message = await ground.letters.message(mine(ground), letter)
    assert message is not None
    assert (message.subject, message.body) == (f"visapi.events.{ground.tenant}.paid", b"one")
    assert (message.tenant_exists, message.is_event) == (True, True)
    shown = await ground.letters.one(mine(ground), letter)
    assert shown is not None
    assert (shown.size, shown.text, shown.item) == (3, "one", [message.subject])


async def test_letters_of_tenants_that_do_not_exist_are_shown_to_admin_keys(ground: GatewayGround):
    letter = await ground.world.set_aside(f"no-{ground.tenant}", b"one")
    admin = LetterScope(ground.tenant, unknown_tenants=True)
    assert await ground.letters.one(mine(ground), letter) is None
    assert letter in [one.id for one in await ground.letters.page(admin, ALL, None, 100)]
    message = await ground.letters.message(admin, letter)
    assert message is not None
    assert not message.tenant_exists


async def test_a_letter_is_resolved_once_with_its_inbox_row_audit_entry_and_key(ground: GatewayGround):
    run, claim = await ground.world.run(ground.tenant), Claim(ground.tenant, "k", b"hash")
    letter = await ground.world.hold(run)
    assert await ground.letters.resolve(mine(ground), resolution(ground, letter, run), claim)
    assert not await ground.letters.resolve(mine(ground), resolution(ground, letter, run), None)
    shown = await ground.letters.one(mine(ground), letter)
    assert shown is not None
    assert (shown.resolved_by, shown.resolution, shown.resolved_at is None) == ("key:a", "happened", False)
    assert await ground.world.told(run) == ["resolve"]
    assert len(await ground.audit.page(ground.tenant, AuditFilter(), None, 10)) == 1
    other = await ground.world.hold(run)
    with pytest.raises(KeyTaken):
        await ground.letters.resolve(mine(ground), resolution(ground, other), claim)


async def test_a_letter_that_was_resolved_before_holds_no_key(ground: GatewayGround):
    first, second = [await ground.world.set_aside(ground.tenant, body) for body in (b"1", b"2")]
    claim = Claim(ground.tenant, "k", b"hash")
    assert await ground.letters.resolve(mine(ground), resolution(ground, first), None)
    assert not await ground.letters.resolve(mine(ground), resolution(ground, first), claim)
    assert await ground.letters.resolve(mine(ground), resolution(ground, second), claim)
