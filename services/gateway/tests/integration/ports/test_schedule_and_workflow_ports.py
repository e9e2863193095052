"""`workflows.service.WorkflowStore` and `schedules.service.ScheduleStore`: a deployment brings its schedule."""

import hashlib
from datetime import timedelta

import msgspec
import pytest

from kit.fakes.gateway.workflows import definition
from kit.gateway_ports import GatewayGround
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_engine.checks.versions import version_order
from visapi_engine.compile.compiler import compile_definition
from visapi_engine.model.listeners import listener_of
from visapi_engine.model.program import encode_program
from visapi_gateway.audit.service import AuditFilter
from visapi_gateway.kernel.idempotency.rules import Claim, KeyTaken
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.schedules.service import NewRuns, ScheduleRow
from visapi_gateway.workflows.rules.versions import NewWorkflow, Scheduled

HOURLY = "schedule: {every: {hours: 1}}"
ON_PAID = "schedule: {on: {one: {with: {type: paid}}}}"


def name_of(ground: GatewayGround, name: str = "flow") -> WorkflowName:
    return (ground.tenant, "test", name)


def entry(ground: GatewayGround, action: AuditAction) -> AuditEntry:
    return AuditEntry(ground.tenant, "key:a", action, "it", None, "r", {})


def new(ground: GatewayGround, version: str, *, name: str = "flow", more: str = "") -> NewWorkflow:
    source = definition(version, name=name, more=more)
    compiled = compile_definition(source, "application/yaml")
    program, identity, now = compiled.program, ground.world.ids.uuid7(), ground.world.now()
    schedule = None
    if program.schedule is not None:
        schedule = Scheduled(identity, msgspec.json.encode(program.schedule), program.schedule.paused)
    elif program.schedule_on is not None:
        body = encode_program(listener_of(program, program.schedule_on))
        ref, digest = WorkflowRef("test", name, version), hashlib.sha256(body).hexdigest()
        trigger = Trigger(identity, ground.tenant, ref, digest, NULL, now)
        schedule = Scheduled(identity, listener=trigger, listener_body=body)
    return NewWorkflow(
        name=name_of(ground, name),
        version=version,
        order=version_order(version),
        source_hash=bytes.fromhex(compiled.source_hash),
        source=source,
        media_type="application/yaml",
        program=bytes.fromhex(compiled.hash),
        body=compiled.body,
        created_by="key:a",
        created_at=now,
        schedule=schedule,
    )


async def put(ground: GatewayGround, one: NewWorkflow, claim: Claim | None = None) -> bool:
    return await ground.workflows.put(one, entry(ground, AuditAction.WORKFLOW_DEPLOY), claim, "answer")


async def schedule(ground: GatewayGround) -> ScheduleRow:
    row = await ground.schedules.one(name_of(ground))
    assert row is not None
    return row


class TestWorkflows:
    async def test_a_version_is_stored_once_and_audited_once(self, ground: GatewayGround):
        one = new(ground, "1.0.0")
        assert [await put(ground, one) for _ in "12"] == [True, False]
        row = await ground.workflows.version(one.name, "1.0.0")
        assert (row.program, row.body, row.source, row.created_by) == (
            one.program,
            one.body,
            one.source,
            "key:a",
        )
        assert await ground.workflows.version((ground.other, "test", "flow"), "1.0.0") is None
        assert len(await ground.audit.page(ground.tenant, AuditFilter(), None, 10)) == 1

    async def test_a_new_version_holds_the_key_of_its_request(self, ground: GatewayGround):
        claim = Claim(ground.tenant, "k", b"hash")
        assert await put(ground, new(ground, "1.0.0"), claim)
        with pytest.raises(KeyTaken):
            await put(ground, new(ground, "2.0.0"), claim)
        assert await ground.workflows.version(name_of(ground), "2.0.0") is None
        with pytest.raises(KeyTaken):
            await ground.workflows.hold(claim, "again")
        assert not await put(ground, new(ground, "1.0.0"), Claim(ground.tenant, "free", b"hash"))
        await ground.workflows.hold(Claim(ground.tenant, "free", b"hash"), "nothing changed")

    async def test_versions_are_listed_from_the_highest_down(self, ground: GatewayGround):
        for version in ("1.9.0", "1.10.0", "2.0.0-rc.1"):
            await put(ground, new(ground, version))
        rows = await ground.workflows.versions(name_of(ground), None, 10)
        assert [row.version for row in rows] == ["2.0.0-rc.1", "1.10.0", "1.9.0"]
        below = await ground.workflows.versions(name_of(ground), rows[0].version_order, 1)
        assert [row.version for row in below] == ["1.10.0"]

    async def test_workflows_are_listed_by_name_in_their_highest_version(self, ground: GatewayGround):
        for name, version in (("b", "1.0.0"), ("a", "1.0.0"), ("a", "2.0.0")):
            await put(ground, new(ground, version, name=name))
        rows = await ground.workflows.workflows(ground.tenant, None, None, 10)
        assert [(row.name, row.version) for row in rows] == [("a", "2.0.0"), ("b", "1.0.0")]
        rows = await ground.workflows.workflows(ground.tenant, "test", ("test", "a"), 10)
        assert [row.name for row in rows] == ["b"]
        assert await ground.workflows.workflows(ground.tenant, "none", None, 10) == []
        assert await ground.workflows.workflows(ground.other, None, None, 10) == []


class TestSchedulesOfDeployments:
    async def test_the_highest_version_has_the_schedule(self, ground: GatewayGround):
        await put(ground, new(ground, "2.0.0", more=HOURLY))
        first = await schedule(ground)
        assert (first.version, first.paused, first.last_run) == ("2.0.0", False, None)
        await put(ground, new(ground, "1.0.0"))
        assert await schedule(ground) == first
        await put(ground, new(ground, "3.0.0", more=HOURLY))
        row = await schedule(ground)
        assert (row.id, row.version) == (first.id, "3.0.0")
        await put(ground, new(ground, "4.0.0"))
        assert await ground.schedules.one(name_of(ground)) is None

    async def test_a_paused_schedule_stays_paused_in_the_next_version(self, ground: GatewayGround):
        await put(ground, new(ground, "1.0.0", more=HOURLY))
        pause = entry(ground, AuditAction.SCHEDULE_PAUSE)
        assert await ground.schedules.pause(name_of(ground), True, pause)
        await put(ground, new(ground, "2.0.0", more=HOURLY))
        assert (await schedule(ground)).paused

    async def test_a_listener_is_replaced_and_told_to_end(self, ground: GatewayGround):
        one, two = (new(ground, version, more=ON_PAID) for version in ("1.0.0", "2.0.0"))
        for workflow in (one, two):
            await put(ground, workflow)
        assert one.schedule is not None
        assert two.schedule is not None
        assert await ground.world.told(one.schedule.id) == ["cancel"]
        assert await ground.world.told(two.schedule.id) == []
        assert await ground.schedules.one(name_of(ground)) is None
        listener = await ground.runs.run(ground.tenant, two.schedule.id)
        assert listener.status == "pending"
        assert await ground.runs.runs(ground.tenant, RunFilter(), None, 10) == []

    async def test_a_faulted_listener_cannot_be_retried(self, ground: GatewayGround):
        workflow = new(ground, "1.0.0", more=ON_PAID)
        await put(ground, workflow)
        assert workflow.schedule is not None
        compiled = compile_definition(workflow.source, "application/yaml")
        await ground.world.fault(workflow.schedule.id, b"{}", compiled)
        assert await ground.commands.resume_point(ground.tenant, workflow.schedule.id) is None


class TestSchedules:
    async def test_schedules_are_listed_by_name_to_their_tenant(self, ground: GatewayGround):
        for name in ("b", "a"):
            await put(ground, new(ground, "1.0.0", name=name, more=HOURLY))
        rows = await ground.schedules.page(ground.tenant, None, 10)
        assert [row.name for row in rows] == ["a", "b"]
        rows = await ground.schedules.page(ground.tenant, ("test", "a"), 10)
        assert [row.name for row in rows] == ["b"]
        assert list(await ground.schedules.page(ground.other, None, 10)) == []

    async def test_a_schedule_is_paused_and_resumed_from_now_on(self, ground: GatewayGround):
        await put(ground, new(ground, "1.0.0", more=HOURLY))
        before = await schedule(ground)
        pause, resume = (
            entry(ground, action) for action in (AuditAction.SCHEDULE_PAUSE, AuditAction.SCHEDULE_RESUME)
        )
        assert await ground.schedules.pause(name_of(ground), True, pause)
        paused = await schedule(ground)
        assert (paused.paused, paused.last_fire) == (True, before.last_fire)
        await ground.world.passes(1)
        assert await ground.schedules.pause(name_of(ground), False, resume)
        resumed = await schedule(ground)
        assert not resumed.paused
        assert resumed.last_fire > before.last_fire
        assert not await ground.schedules.pause(name_of(ground, "none"), True, pause)

    async def test_undecided_fires_start_runs_once(self, ground: GatewayGround):
        await put(ground, new(ground, "1.0.0", more=HOURLY))
        row, now = await schedule(ground), ground.world.now().replace(microsecond=0)
        fires = [now - timedelta(hours=hours) for hours in (2, 1)]
        audit = entry(ground, AuditAction.SCHEDULE_BACKFILL)

        def wanted(*some: int) -> NewRuns:
            runs = [(fires[one], ground.world.ids.uuid7()) for one in some]
            return NewRuns(row.id, runs, b'{"inline":1}', len(some))

        first = await ground.schedules.backfill(wanted(0), audit, None)
        assert (first.fires, first.started) == (1, 1)
        second = await ground.schedules.backfill(wanted(0, 1), audit, None)
        assert (second.fires, second.started) == (2, 1)
        assert await ground.schedules.known(ground.tenant, row.id, [*fires, now]) == set(fires)
        assert await ground.schedules.known(ground.other, row.id, fires) == set()
        shown = await ground.schedules.fires(ground.tenant, row.id, 10)
        assert [(fire.at, fire.outcome, fire.run) for fire in shown] == [
            (fires[1], "backfilled", second.runs[0]),
            (fires[0], "backfilled", first.runs[0]),
        ]
        assert list(await ground.schedules.fires(ground.other, row.id, 10)) == []
        run = await ground.runs.run(ground.tenant, first.runs[0])
        assert (run.name, run.version, run.input) == ("flow", "1.0.0", b'{"inline":1}')
        found = await ground.runs.runs(ground.tenant, RunFilter(schedule=("test", "flow")), None, 10)
        assert {one.id for one in found} == {*first.runs, *second.runs}

    async def test_a_backfill_holds_the_key_of_its_request_and_is_audited_where_runs_start(
        self, ground: GatewayGround
    ):
        await put(ground, new(ground, "1.0.0", more=HOURLY))
        row, claim = await schedule(ground), Claim(ground.tenant, "k", b"hash")
        audit, wanted = entry(ground, AuditAction.SCHEDULE_BACKFILL), NewRuns(row.id, [], b"{}", 0)
        await ground.schedules.backfill(wanted, audit, claim)
        with pytest.raises(KeyTaken):
            await ground.schedules.backfill(wanted, audit, claim)
        rows = await ground.audit.page(ground.tenant, AuditFilter(action="schedule.backfill"), None, 10)
        assert list(rows) == []
