"""Deployments and the schedules that they bring."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from kit.fakes.clocks import CountingIds, FakeClock
from kit.fakes.gateway.jobs import InlineJobs
from kit.fakes.gateway.rates import no_quotas
from kit.fakes.gateway.schedules import FakeSchedules
from kit.fakes.gateway.system import FakeSystem
from kit.fakes.gateway.tables import TENANT, WHO
from kit.fakes.gateway.workflows import definition
from kit.fakes.gateway.world import FakeWorld
from visapi_common.contracts.engine_messages import Trigger
from visapi_common.contracts.schedules import Backfill
from visapi_common.core.bounds import BoundExceeded
from visapi_common.core.errors import ProblemError
from visapi_engine.compile.compiler import DefinitionInvalid
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.json_input import check_json
from visapi_gateway.schedules.service import BACKFILL_MAX, NEXT_SHOWN, Schedules
from visapi_gateway.workflows.compiling import Compiling
from visapi_gateway.workflows.definitions import Definitions
from visapi_gateway.workflows.input_checks import InputChecks
from visapi_gateway.workflows.service import Workflows

YAML = "application/yaml"
NAME = (TENANT, "test", "flow")
HOURLY = "schedule: {every: {hours: 1}}"
ON_PAID = "schedule: {on: {one: {with: {type: paid}}}}"


class World(FakeWorld):
    def __init__(self) -> None:
        super().__init__()
        self.clock, self.jobs = FakeClock(), InlineJobs()
        self.announced: list[Trigger] = []
        self.hinted: list[UUID] = []
        self.full = False

        async def read_json(_: str, body: bytes) -> object:
            return check_json(body)

        checks = InputChecks(self.jobs, read_json)
        self.deploying = Workflows(
            self.workflows,
            Definitions(self.workflows, self.clock),
            Compiling(self.jobs.compile, FakeSystem().functions, checks.schema),
            clock=self.clock,
            ids=CountingIds(),
            announce=self.announced.append,
        )
        self.store = FakeSchedules(self.tables)
        self.schedules = Schedules(
            self.store,
            self.clock,
            lambda: 1,
            hint=self.hint,
            refuse_full=self.refuse_full,
            take_runs=no_quotas().take_all,
        )

    def hint(self, run: UUID) -> None:
        self.hinted.append(run)

    def refuse_full(self, tenant: str) -> None:
        if self.full:
            raise ProblemError("too_many_open_runs", f"{tenant} is full", status=429)

    async def put(self, version: str, more: str = "", *, dry_run: bool = False) -> bool:
        source = definition(version, more=more)
        return (await self.deploying.deploy(WHO, source, YAML, dry_run=dry_run))[1]

    def at(self, hours: float) -> datetime:
        return self.clock.now() + timedelta(hours=hours)


class TestDeploying:
    async def test_the_same_content_again_is_no_new_version(self):
        world = World()
        assert [await world.put("1.0.0") for _ in "12"] == [True, False]
        assert len(world.tables.audit[TENANT]) == 1

    async def test_other_content_under_the_same_version_is_refused(self):
        world = World()
        await world.put("1.0.0")
        with pytest.raises(ProblemError, match="a deployed version never changes") as refused:
            await world.put("1.0.0", HOURLY)
        assert refused.value.code == "workflow_version_exists"
        with pytest.raises(ProblemError):
            await world.put("1.0.0", HOURLY, dry_run=True)

    async def test_a_dry_run_stores_nothing(self):
        world = World()
        assert not await world.put("1.0.0", ON_PAID, dry_run=True)
        assert (world.tables.audit, world.tables.runs, world.announced) == ({}, {}, [])
        with pytest.raises(ProblemError, match="is deployed"):
            await world.deploying.describe(TENANT, "test", "flow", None)

    async def test_the_listener_of_a_schedule_is_announced_once(self):
        world = World()
        for _ in "12":
            await world.put("1.0.0", ON_PAID)
        (trigger,) = world.announced
        assert list(world.tables.runs) == [trigger.run]

    async def test_a_definition_whose_compilation_exceeds_its_bounds_is_refused_as_invalid(self):
        world = World()
        world.jobs.faults.plan("compile", BoundExceeded("compile", "cpu", "it needs more than 5 s"))
        with pytest.raises(DefinitionInvalid, match="it needs more than 5 s"):
            await world.put("1.0.0")

    async def test_an_earlier_request_is_described_as_it_was_answered(self):
        world = World()
        claim = Claim(TENANT, "k", b"hash")
        await world.deploying.deploy(WHO, definition(), YAML, dry_run=False, claim=claim)
        await world.put("2.0.0")
        answer = world.tables.answers[TENANT, "k"]
        deployed, created = await world.deploying.deployed_before(TENANT, answer)
        assert (deployed.version, created) == ("1.0.0", True)


class TestSchedules:
    async def test_the_next_times_are_shown_unless_the_schedule_is_paused(self):
        world = World()
        await world.put("1.0.0", HOURLY)
        view = await world.schedules.view(NAME)
        assert view.next == [world.at(hours) for hours in range(1, NEXT_SHOWN + 1)]
        assert (await world.schedules.pause(WHO, NAME, paused=True)).next == []
        assert (await world.schedules.pause(WHO, NAME, paused=False)).next == view.next

    async def test_undecided_times_of_a_range_start_runs_once(self):
        world = World()
        await world.put("1.0.0", HOURLY)
        world.clock.now_s += 3600 * 5
        wanted = Backfill(world.at(-3), world.at(0))
        counted = await world.schedules.backfill(WHO, NAME, Backfill(world.at(-3), world.at(0), True))
        assert (counted.fires, counted.started, world.tables.runs) == (4, 4, {})
        done = await world.schedules.backfill(WHO, NAME, wanted)
        assert (done.fires, done.started, world.hinted) == (4, 4, done.runs)
        assert (await world.schedules.backfill(WHO, NAME, wanted)).started == 0
        actions = [entry.action for entry in world.tables.audit[TENANT]]
        assert actions == ["workflow.deploy", "schedule.backfill"]

    async def test_a_run_can_be_started_now(self):
        world = World()
        await world.put("1.0.0", HOURLY)
        done = await world.schedules.run_now(WHO, NAME)
        assert (world.hinted, list(world.tables.runs)) == (done.runs, done.runs)

    async def test_a_full_tenant_starts_nothing(self):
        world = World()
        await world.put("1.0.0", HOURLY)
        world.full = True
        with pytest.raises(ProblemError, match="is full"):
            await world.schedules.run_now(WHO, NAME)
        assert world.tables.runs == {}

    @pytest.mark.parametrize(
        ("since", "until", "why"),
        [
            (-1, 1, "must not lie in the future"),
            (0, -1, "not later than"),
            (-2 * BACKFILL_MAX, 0, f"more than {BACKFILL_MAX} times"),
        ],
    )
    async def test_a_range_that_cannot_be_meant_is_refused(self, since: float, until: float, why: str):
        world = World()
        await world.put("1.0.0", "schedule: {cron: '*/30 * * * *'}")
        with pytest.raises(ProblemError, match=why):
            await world.schedules.backfill(WHO, NAME, Backfill(world.at(since), world.at(until)))

    async def test_a_workflow_without_a_schedule_has_none(self):
        world = World()
        await world.put("1.0.0")
        with pytest.raises(ProblemError, match="has no schedule"):
            await world.schedules.view(NAME)
