"""Retries of faulted runs: what is checked before a run is asked to go on."""

import asyncio
from uuid import UUID

import msgspec
import pytest

from kit.fakes.clocks import CountingIds, FakeClock, in_no_time
from kit.fakes.gateway.commands import FakeCommands
from kit.fakes.gateway.jobs import InlineJobs
from kit.fakes.gateway.runs import FakeRuns
from kit.fakes.gateway.system import FakeSystem
from kit.fakes.gateway.tables import TENANT, WHO
from kit.fakes.gateway.world import FakeWorld
from kit.fakes.payloads import FakePayloads
from simulation.session import Session
from visapi_common.contracts.engine_messages import InboxBody
from visapi_common.contracts.gateway_bodies import Retry
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_engine.compile.compiler import compile_definition
from visapi_gateway.kernel.json_input import check_json
from visapi_gateway.runs.commands.retry import TAKEN_UP_S, Retries
from visapi_gateway.runs.reading.service import RunViews
from visapi_gateway.workflows.compiling import Compiling
from visapi_gateway.workflows.definitions import Definitions
from visapi_gateway.workflows.input_checks import InputChecks
from visapi_gateway.workflows.service import Workflows

CHARGE = "do: [{prepare: {set: {n: 1}}}, {charge: {call: acme.charge, with: {n: 1}}}]"


def source(version: str, do: str = CHARGE) -> bytes:
    return f"document: {{dsl: '1.0.3', namespace: test, name: flow, version: '{version}'}}\n{do}".encode()


class World(FakeWorld):
    """A run of `test/flow` 1.0.0 whose charge has failed."""

    def __init__(self) -> None:
        super().__init__()
        runs = FakeRuns(self.tables)
        views = RunViews(runs, FakePayloads().unpack)
        jobs, clock = InlineJobs(), FakeClock()

        async def read_json(_: str, body: bytes) -> object:
            return check_json(body)

        compiling = Compiling(jobs.compile, FakeSystem().functions, InputChecks(jobs, read_json).schema)
        versions = Workflows(
            self.workflows,
            Definitions(self.workflows, clock),
            compiling,
            clock=clock,
            ids=CountingIds(),
            announce=lambda _: None,
        )
        self.store = FakeCommands(self.tables)
        self.hinted: list[UUID] = []
        self.retries = Retries(self.store, views, versions, pack=FakePayloads().pack, hint=self.hint)

    def hint(self, run: UUID) -> None:
        self.hinted.append(run)

    async def faulted(self) -> UUID:
        compiled = self.workflows.deploy(TENANT, source("1.0.0"))
        told = Session(compile_definition(source("1.0.0"), "application/yaml"))
        told.start()
        told.fault("/do/1/charge")
        run = await self.run(TENANT, program=compiled.hash)
        await self.fault(run, told.state, compiled)
        return run

    def body(self, run: UUID) -> InboxBody:
        (row,) = [row for row in self.tables.inbox.values() if row.run == run]
        return msgspec.json.decode(row.body, type=InboxBody)


@in_no_time
async def test_a_retry_answers_when_the_run_is_live_again():
    world = World()
    run = await world.faulted()
    asking = asyncio.create_task(world.retries(WHO, run, Retry(reason="again")))
    await asyncio.sleep(1)
    assert not asking.done()
    assert (world.hinted, world.body(run).reason) == ([run], "again")
    await world.advance(run)
    row, fresh = await asking
    assert (row.status, fresh) == ("running", True)


@in_no_time
async def test_an_answer_does_not_wait_for_long_and_a_second_request_is_the_same_retry():
    world = World()
    run = await world.faulted()
    loop = asyncio.get_running_loop()
    began = loop.time()
    row, fresh = await world.retries(WHO, run, Retry())
    assert (row.status, fresh, loop.time() - began) == ("faulted", True, pytest.approx(TAKEN_UP_S, abs=0.1))
    assert (await world.retries(WHO, run, Retry()))[1] is False
    with pytest.raises(ProblemError, match="already being retried with other settings"):
        await world.retries(WHO, run, Retry(reason="another"))


@pytest.mark.parametrize(
    ("status", "why"),
    [("running", "it is running"), ("completed", "it completed"), ("cancelled", "it was cancelled")],
)
async def test_only_a_faulted_run_is_retried(status: str, why: str):
    world = World()
    run = await world.run(TENANT)
    await world.advance(run, status=status)
    with pytest.raises(ProblemError, match=why) as refused:
        await world.retries(WHO, run, Retry())
    assert (refused.value.code, world.tables.inbox) == ("run_not_faulted", {})


async def test_a_run_without_a_resume_point_is_not_retried():
    world = World()
    compiled = world.workflows.deploy(TENANT, source("1.0.0"))
    run = await world.run(TENANT)
    await world.fault(run, None, compiled)
    with pytest.raises(ProblemError, match="cannot be retried safely"):
        await world.retries(WHO, run, Retry())


async def test_a_state_of_a_later_release_is_left_to_its_gateways():
    world = World()
    run = await world.faulted()
    state, program = world.tables.runs[run].resume or (b"", b"")
    later = {**msgspec.json.decode(state), "v": 99}
    world.tables.runs[run].resume = (msgspec.json.encode(later), program)
    with pytest.raises(TransientFault, match="later release"):
        await world.retries(WHO, run, Retry())


@in_no_time
async def test_a_retry_may_bring_another_input_and_a_newer_version():
    world = World()
    run = await world.faulted()
    newer = world.workflows.deploy(TENANT, source("1.1.0", CHARGE + "\n# newer"))
    await world.retries(WHO, run, Retry(input=msgspec.Raw(b'{"n":2}'), version="1.1.0"))
    body = world.body(run)
    assert body.input is not None
    assert (body.version, body.program) == ("1.1.0", newer.hash)
    assert bytes(body.input.inline) == b'{"n":2}'  # type: ignore[arg-type]


async def test_a_version_whose_tasks_are_elsewhere_is_refused():
    world = World()
    run = await world.faulted()
    world.workflows.deploy(TENANT, source("2.0.0", "do: [{charge: {call: acme.charge}}]"))
    with pytest.raises(ProblemError, match=r"cannot continue with version 2\.0\.0") as refused:
        await world.retries(WHO, run, Retry(version="2.0.0"))
    assert refused.value.code == "version_not_compatible"
    with pytest.raises(ProblemError, match=r"in version 3\.0\.0"):
        await world.retries(WHO, run, Retry(version="3.0.0"))
