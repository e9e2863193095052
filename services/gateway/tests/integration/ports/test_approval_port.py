"""`approvals.service.ApprovalStore`: shown by key or link, decided once."""

from uuid import UUID

from kit.gateway_ports import GatewayGround
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.core.approvals import ANYBODY, decision_key
from visapi_gateway.approvals.service import Verdict
from visapi_gateway.audit.service import AuditFilter
from visapi_gateway.runs.commands.service import InboxRow

MIA = "mia@example.com"
KEYS = [b"a" * 32, b"m" * 32]


async def ask(ground: GatewayGround, *, expires_s: float | None = None) -> tuple[UUID, UUID]:
    """A run, and its approval."""
    run = await ground.world.run(ground.tenant)
    return run, await ground.world.ask(run, [ANYBODY, MIA], KEYS, expires_s=expires_s)


def verdict(ground: GatewayGround, run: UUID, approval: UUID, *, tenant: str | None = None) -> Verdict:
    whose = tenant or ground.tenant
    row = InboxRow(run, decision_key(approval), whose, "approval", b"{}")
    action = AuditAction.APPROVAL_DECIDE
    audit = AuditEntry(whose, "key:a", action, f"approval:{approval}", None, "r", {})
    return Verdict(approval, whose, "approve", "fine", "key:a", row, audit)


async def test_a_question_is_shown_to_its_tenant_alone(ground: GatewayGround):
    run, approval = await ask(ground)
    row = await ground.approvals.approval(ground.tenant, approval, None)
    assert row is not None
    assert (row.id, row.run, row.state, row.late, row.holder) == (approval, run, "open", False, None)
    assert (row.approvers, row.workflow, row.task) == ([ANYBODY, MIA], "test/flow:1.0.0", "ask")
    assert await ground.approvals.approval(ground.other, approval, None) is None
    assert list(await ground.approvals.approvals(ground.other, None, None, None, 10)) == []


async def test_the_hash_of_a_key_names_its_holder(ground: GatewayGround):
    _, approval = await ask(ground)
    holders = [
        row.holder
        for key in (*KEYS, b"x" * 32)
        if (row := await ground.approvals.approval(ground.tenant, approval, key)) is not None
    ]
    assert holders == [ANYBODY, MIA, None]


async def test_questions_are_listed_newest_first_by_run_and_state(ground: GatewayGround):
    asked = [await ask(ground) for _ in range(3)]
    newest = sorted((approval for _, approval in asked), reverse=True)

    async def listed(state: str | None = None, run: UUID | None = None, before: UUID | None = None):
        rows = await ground.approvals.approvals(ground.tenant, state, run, before, 10)
        return [row.id for row in rows]

    assert await listed() == newest
    assert await listed(before=newest[0]) == newest[1:]
    assert await listed(run=asked[1][0]) == [asked[1][1]]
    await ground.approvals.decide(verdict(ground, *asked[0]))
    assert await listed(state="decided") == [asked[0][1]]
    assert asked[0][1] not in await listed(state="open")


async def test_the_first_decision_is_recorded_with_its_inbox_row_and_audit(ground: GatewayGround):
    run, approval = await ask(ground)
    assert await ground.approvals.decide(verdict(ground, run, approval))
    assert not await ground.approvals.decide(verdict(ground, run, approval))
    row = await ground.approvals.approval(ground.tenant, approval, None)
    assert row is not None
    assert (row.state, row.decision, row.comment, row.decided_by) == ("decided", "approve", "fine", "key:a")
    assert row.closed_at is not None
    assert await ground.world.told(run) == ["approval"]
    (entry,) = await ground.audit.page(ground.tenant, AuditFilter(), None, 10)
    assert (entry.action, entry.target) == ("approval.decide", f"approval:{approval}")


async def test_from_its_deadline_on_a_question_is_late_and_nobody_decides(ground: GatewayGround):
    run, approval = await ask(ground, expires_s=60)
    await ground.world.passes(61)
    row = await ground.approvals.approval(ground.tenant, approval, None)
    assert row is not None
    assert (row.state, row.late) == ("open", True)
    assert not await ground.approvals.decide(verdict(ground, run, approval))
    assert await ground.world.told(run) == []


async def test_nobody_decides_for_another_tenant(ground: GatewayGround):
    run, approval = await ask(ground)
    assert not await ground.approvals.decide(verdict(ground, run, approval, tenant=ground.other))
    assert await ground.world.told(run) == []
