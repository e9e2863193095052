"""`runs.commands.service.CommandStore` and `runs.commands.retry.RetryStore`."""

from uuid import UUID

import pytest

from kit.gateway_ports import GatewayGround
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_gateway.audit.service import AuditFilter
from visapi_gateway.kernel.idempotency.rules import Claim, KeyTaken
from visapi_gateway.runs.commands.service import UNREAD_MAX, Command, CommandOutcome, InboxRow

COMMITTED, WAITS = CommandOutcome.COMMITTED, CommandOutcome.WAITS


def command(
    ground: GatewayGround, run: UUID, key: str = "suspend:1", kind: str = "suspend", body: bytes = b"{}"
) -> Command:
    audit = AuditEntry(ground.tenant, "key:a", AuditAction.RUN_SUSPEND, f"run:{run}", None, "r", {})
    return Command(InboxRow(run, key, ground.tenant, kind, body), audit)


async def audited(ground: GatewayGround) -> int:
    return len(await ground.audit.page(ground.tenant, AuditFilter(), None, 100))


async def test_a_command_is_committed_with_its_audit_entry_and_key(ground: GatewayGround):
    run, claim = await ground.world.run(ground.tenant), Claim(ground.tenant, "k", b"hash")
    assert await ground.commands.commit(command(ground, run), claim) is COMMITTED
    assert (await ground.world.told(run), await audited(ground)) == (["suspend"], 1)
    with pytest.raises(KeyTaken):
        await ground.commands.commit(command(ground, run, "suspend:2"), claim)
    assert (await ground.world.told(run), await audited(ground)) == (["suspend"], 1)


async def test_the_same_unread_command_is_one_row_and_each_request_is_audited(ground: GatewayGround):
    run = await ground.world.run(ground.tenant)
    outcomes = [await ground.commands.commit(command(ground, run), None) for _ in range(2)]
    assert outcomes == [COMMITTED, WAITS]
    assert (await ground.world.told(run), await audited(ground)) == (["suspend"], 2)


async def test_another_command_under_the_same_key_is_refused_and_holds_no_key(ground: GatewayGround):
    run, claim = await ground.world.run(ground.tenant), Claim(ground.tenant, "k", b"hash")
    await ground.commands.commit(command(ground, run), None)
    other = command(ground, run, body=b'{"other":1}')
    assert await ground.commands.commit(other, claim) is CommandOutcome.OTHER_WAITS
    assert await ground.commands.commit(command(ground, run, "suspend:2"), claim) is COMMITTED


async def test_a_run_has_a_bounded_number_of_unread_commands(ground: GatewayGround):
    run = await ground.world.run(ground.tenant)
    many = [command(ground, run, f"suspend:{number}") for number in range(UNREAD_MAX)]
    assert await ground.commands.send(ground.tenant, many) == {run}
    assert await ground.commands.commit(command(ground, run, "one more"), None) is CommandOutcome.FULL
    assert await ground.commands.commit(command(ground, run, "suspend:7"), None) is WAITS


async def test_commands_to_many_runs_tell_whose_is_new(ground: GatewayGround):
    runs = [await ground.world.run(ground.tenant) for _ in range(2)]
    await ground.commands.send(ground.tenant, [command(ground, runs[0])])
    sent = await ground.commands.send(ground.tenant, [command(ground, run) for run in runs])
    assert (sent, await audited(ground)) == ({runs[1]}, 2)


async def test_the_family_of_an_ended_run_is_cancelled_while_a_descendant_is_open(ground: GatewayGround):
    root = await ground.world.run(ground.tenant)
    child = await ground.world.start_child(root)
    await ground.world.advance(root, status="completed")
    cancel = command(ground, root, "cancel:1", "cancel")
    assert await ground.commands.cancel_family(ground.tenant, cancel)
    assert await ground.world.is_cancelled(root)
    await ground.world.advance(child, status="cancelled")
    assert not await ground.commands.cancel_family(ground.tenant, cancel)
    assert await audited(ground) == 1


async def test_a_cancelled_root_is_a_fact_for_its_descendants(ground: GatewayGround):
    root, alone = await ground.world.run(ground.tenant), await ground.world.run(ground.tenant)
    await ground.world.start_child(root)
    assert not await ground.world.is_cancelled(root)
    await ground.commands.commit(command(ground, root, "cancel:1", "cancel"), None)
    assert await ground.world.is_cancelled(root)
    assert await ground.commands.commit(command(ground, alone, "cancel:1", "cancel"), None) is COMMITTED


async def test_a_faulted_run_gives_the_state_and_the_program_to_go_on_with(ground: GatewayGround):
    compiled = await ground.world.deploy(ground.tenant, "1.0.0")
    runs = [await ground.world.run(ground.tenant, program=compiled.hash) for _ in range(3)]
    await ground.world.fault(runs[0], b'{"v":1}', compiled)
    await ground.world.fault(runs[1], None, compiled)
    assert await ground.commands.resume_point(ground.tenant, runs[0]) == (b'{"v":1}', compiled.body)
    assert await ground.commands.resume_point(ground.other, runs[0]) is None
    assert await ground.commands.resume_point(ground.tenant, runs[1]) is None
    assert await ground.commands.resume_point(ground.tenant, runs[2]) is None
    assert await ground.commands.ended_for_good(ground.tenant, runs) == {runs[1]: "faulted"}
    assert await ground.commands.ended_for_good(ground.other, runs) == {}
