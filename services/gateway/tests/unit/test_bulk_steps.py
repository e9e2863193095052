"""Bulk commands go on step by step, and a step that is sent again does nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from kit.fakes.clocks import FakeClock
from kit.fakes.gateway.commands import FakeCommands
from kit.fakes.gateway.jobs import InlineJobs
from kit.fakes.gateway.rates import no_quotas
from kit.fakes.gateway.runs import FakeRuns
from kit.fakes.gateway.starting import FakeRunLedger
from kit.fakes.gateway.tables import NOON, TENANT, WHO
from kit.fakes.gateway.workflows import definition
from kit.fakes.gateway.world import FakeWorld
from kit.fakes.payloads import FakePayloads
from visapi_common.contracts.bulk import BulkAction
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.kernel.full_tenants import FullTenants, OpenCount
from visapi_gateway.kernel.json_input import check_json
from visapi_gateway.runs.bulk.rules import PAGE, BulkToken
from visapi_gateway.runs.bulk.service import Bulk, BulkProgress, BulkRequest, BulkRerun
from visapi_gateway.runs.commands.retry import Retries
from visapi_gateway.runs.commands.service import Commands
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.runs.reading.service import RunViews
from visapi_gateway.runs.starting.commits import RunCommits
from visapi_gateway.runs.starting.open_runs import OpenRuns
from visapi_gateway.runs.starting.service import StartRun
from visapi_gateway.workflows.definitions import Definitions
from visapi_gateway.workflows.input_checks import InputChecks

CANCEL = BulkRequest(BulkAction.CANCEL, None, "clean up", "")
RERUN = BulkRequest(BulkAction.RERUN, None, None, "")
OPEN, FAULTED = RunFilter(statuses=("pending",)), RunFilter(statuses=("faulted",))


class World(FakeWorld):
    def __init__(self) -> None:
        super().__init__()
        self.found, self.store = FakeRuns(self.tables), FakeCommands(self.tables)
        self.views = RunViews(self.found, FakePayloads().unpack)
        self.hinted: list[UUID] = []
        self.full: dict[str, int] = {}
        ledger, clock = FakeRunLedger(self.tables), FakeClock()
        self.ledger = ledger
        self.commits = RunCommits(ledger, lambda _: None, open_metrics())

        async def read_full() -> dict[str, OpenCount]:
            return {tenant: OpenCount(most, most, NOON) for tenant, most in self.full.items()}

        async def read_json(_: str, body: bytes) -> object:
            return check_json(body)

        self.tenants = FullTenants(read_full)
        start = StartRun(
            Definitions(self.workflows, clock),
            InputChecks(InlineJobs(), read_json),
            accept=OpenRuns(self.tenants, ledger, self.commits.accept, no_quotas().take),
            pack=FakePayloads().pack,
            clock=clock,
            ids=self.ids,
        )

        def never(*_: object) -> None:
            raise AssertionError("no retry was asked for")

        self.bulk = Bulk(
            self.found,
            Commands(self.store, self.views, self.ids, self.hint),
            retries=Retries(self.store, self.views, never, pack=never, hint=never),  # type: ignore[arg-type]
            repeat=BulkRerun(start, self.views),
            ids=self.ids,
            clock=clock,
        )

    def hint(self, run: UUID) -> None:
        self.hinted.append(run)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        serving = asyncio.create_task(self.commits.run())
        yield
        self.commits.close()
        await serving

    async def all_steps(self, wanted: RunFilter, request: BulkRequest) -> list[BulkProgress]:
        token: BulkToken | None = await self.bulk.count(WHO, wanted)
        steps: list[BulkProgress] = []
        while token is not None:
            steps.append(await self.bulk.step(WHO, wanted, request, token))
            token = steps[-1].next
        return steps


async def test_runs_are_commanded_in_steps_of_a_page_and_later_runs_are_left_alone():
    world = World()
    runs = [await world.run(TENANT) for _ in range(PAGE + 20)]
    token = await world.bulk.count(WHO, OPEN)
    later = await world.run(TENANT)
    first = await world.bulk.step(WHO, OPEN, CANCEL, token)
    assert (token.count, first.accepted, first.handled) == (len(runs), PAGE, PAGE)
    assert first.next is not None
    last = await world.bulk.step(WHO, OPEN, CANCEL, first.next)
    assert (last.accepted, last.handled, last.next) == (20, len(runs), None)
    assert set(world.hinted) == set(runs)
    assert await world.told(later) == []


async def test_a_step_that_is_sent_again_finds_its_commands_given():
    world = World()
    for _ in range(3):
        await world.run(TENANT)
    token = await world.bulk.count(WHO, OPEN)
    await world.bulk.step(WHO, OPEN, CANCEL, token)
    again = await world.bulk.step(WHO, OPEN, CANCEL, token)
    assert (again.accepted, again.unchanged, again.handled) == (0, 3, 3)
    assert len(world.tables.inbox) == len(world.tables.audit[TENANT]) == 3


async def test_a_step_that_failed_can_be_sent_again():
    world = World()
    await world.run(TENANT)
    token = await world.bulk.count(WHO, OPEN)
    world.store.faults.plan("send", TransientFault("away"))
    with pytest.raises(TransientFault):
        await world.bulk.step(WHO, OPEN, CANCEL, token)
    assert (await world.bulk.step(WHO, OPEN, CANCEL, token)).accepted == 1


async def test_steps_of_one_tenant_follow_one_another():
    world = World()
    await world.run(TENANT)
    token = await world.bulk.count(WHO, OPEN)
    world.store.faults.hold("send")
    steps = [asyncio.create_task(world.bulk.step(WHO, OPEN, CANCEL, token)) for _ in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.store.faults.entered["send"] == 1
    world.store.faults.let_go("send")
    assert [(await step).accepted for step in steps] == [1, 0, 0]


async def test_a_rerun_starts_each_run_once_and_names_those_that_it_could_not_start():
    world = World()
    world.workflows.deploy(TENANT, definition())
    runs = [await world.run(TENANT, name) for name in ("flow", "gone")]
    for run in runs:
        await world.advance(run, status="faulted")
    async with world.serving():
        token = await world.bulk.count(WHO, FAULTED)
        step = await world.bulk.step(WHO, FAULTED, RERUN, token)
        again = await world.bulk.step(WHO, FAULTED, RERUN, token)
    assert (step.accepted, step.unchanged) == (1, 0)
    assert [(one.run, one.code) for one in step.refused] == [(runs[1], "workflow_not_found")]
    assert (again.accepted, again.unchanged, len(again.refused)) == (0, 1, 1)
    assert [entry.action for entry in world.tables.audit[TENANT]] == ["run.rerun"]


async def test_a_full_tenant_starts_no_run_but_learns_of_those_that_it_has_started():
    world = World()
    world.workflows.deploy(TENANT, definition())
    for _ in range(2):
        await world.advance(await world.run(TENANT), status="faulted")
    async with world.serving():
        token = await world.bulk.count(WHO, FAULTED)
        first = BulkToken(token.id, token.counted_at, 1)
        assert (await world.bulk.step(WHO, FAULTED, RERUN, first)).accepted == 1
        world.full = {TENANT: 5}
        reading = asyncio.create_task(world.tenants.keep_fresh())
        await asyncio.sleep(0)
        reading.cancel()
        step = await world.bulk.step(WHO, FAULTED, RERUN, token)
    assert (step.accepted, step.unchanged) == (0, 1)
    assert [one.code for one in step.refused] == ["too_many_open_runs"]


async def test_a_token_ends_after_a_day():
    world = World()
    token = await world.bulk.count(WHO, OPEN)
    old = BulkToken(token.id, token.counted_at.replace(year=2025), 0)
    with pytest.raises(ProblemError, match="over a day ago"):
        await world.bulk.step(WHO, OPEN, CANCEL, old)
