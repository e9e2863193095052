"""Tasks of functions that serve all tenants enter the stream in turns, as workers take the others."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from kit.fakes.clocks import FakeClock, in_no_time, running_for
from kit.fakes.nats import FakeNats
from kit.fakes.rows import FakeRows, TaskRow
from kit.fakes.tasks import FakeTasks
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.errors import TransientFault
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.kernel.rules.fair_queue import Window
from visapi_orchestrator.tasks.releases import Releases
from visapi_orchestrator.tasks.rules.pacing import SAVED

PDF = "pdf.render"
SUBJECT = subjects.task(subjects.BUILTIN, PDF)


class World:
    """Releases on fakes. `commit` does what a transition does with a new task."""

    def __init__(self) -> None:
        self.rows, self.metrics = FakeRows(), open_metrics()
        self.tasks, self.nats = FakeTasks(self.rows), FakeNats(self.rows)
        self.releases = Releases(self.tasks, self.nats, self.nats, FakeClock(), self.metrics)

    async def open(self, slots: int = 1000) -> None:
        await self.nats.ensure_function(subjects.BUILTIN, FunctionSpec(PDF))
        self.releases.announced("worker", {PDF: slots})

    def commit(self, tenant: str = "big", function: str = PDF) -> None:
        run, now_ms = uuid4(), self.rows.now_ms
        token = f"{run.hex}{run.hex}"
        self.rows.tasks[run, "/a"] = TaskRow(
            tenant, 1, function, "", token, tenant.encode(), now_ms, now_ms, None
        )
        self.rows.now_ms += 1
        self.releases.held(function, tenant)

    def work(self, number: int) -> list[str]:
        """A worker takes so many tasks from the stream and ends them; their tenants."""
        lying = [one.body.decode() for one in self.nats.on(SUBJECT)][self.taken :][:number]
        if lying:
            self.nats.take(SUBJECT, len(lying))
        self.taken += len(lying)
        for tenant in lying:
            done = next(k for k, r in self.rows.tasks.items() if r.tenant == tenant and r.sent_ms is not None)
            del self.rows.tasks[done]
        return lying

    def take_all(self) -> None:
        """A worker takes everything from the stream, and ends nothing."""
        lying = len(self.nats.on(SUBJECT)) - self.taken
        if lying:
            self.nats.take(SUBJECT, lying)
        self.taken += lying

    taken = 0

    async def looks(self, seconds: float = 0.5) -> None:
        await running_for(seconds, self.releases.run())

    @property
    def held(self) -> Counter[str]:
        return Counter(row.tenant for row in self.rows.tasks.values() if row.sent_ms is None)


@pytest.fixture
def world() -> World:
    return World()


@in_no_time
async def test_a_short_burst_is_sent_at_once(world):
    await world.open()
    looking = asyncio.ensure_future(world.releases.run())
    await asyncio.sleep(1)
    for _ in range(Window.FREE):
        world.commit()
    await asyncio.sleep(0.001)
    assert world.held == {}
    looking.cancel()


@in_no_time
async def test_steps_of_a_run_that_follow_one_another_wait_for_no_spacing(world):
    await world.open()
    looking = asyncio.ensure_future(world.releases.run())
    for _ in range(6):
        world.commit()
        await asyncio.sleep(0.001)
        assert world.held == {}
        world.work(1)
    looking.cancel()


@in_no_time
async def test_tasks_that_are_committed_all_the_time_are_released_together(world):
    await world.open()
    looking = asyncio.ensure_future(world.releases.run())
    for _ in range(1000):
        world.commit()
        await asyncio.sleep(0.001)
        world.work(10)
    looking.cancel()
    assert world.tasks.releases <= 100 + 2 * SAVED
    assert world.held["big"] <= 15


def test_a_tenants_own_function_has_a_stream_to_itself(world):
    assert world.releases.sends_at_once("acme.echo")
    assert not world.releases.sends_at_once(PDF)


@in_no_time
async def test_tasks_that_wait_for_their_turn_are_counted(world):
    await world.open(slots=16)
    for _ in range(10):
        world.commit("hangs")
    await world.looks()
    world.commit("hangs")
    world.commit("small")
    assert world.metrics.registry.get_sample_value("visapi_tasks_held_total", {"function": PDF}) == 1


@in_no_time
async def test_held_tasks_are_released_tenant_by_tenant_as_workers_take_the_others(world):
    await world.open()
    for _ in range(200):
        world.commit()
    await world.looks()
    world.commit("small")
    before = len(world.nats.on(SUBJECT))
    order: list[str] = []
    for _ in range(200):
        order += world.work(4)
        await world.looks(0.1)
    assert order[before:].index("small") <= Window.LEAST
    assert (Counter(order), world.held) == ({"big": 200, "small": 1}, {})


@in_no_time
async def test_nothing_is_released_while_the_stream_holds_enough(world):
    await world.open()
    for _ in range(100):
        world.commit()
    await world.looks(5)
    assert len(world.nats.on(SUBJECT)) == Window.FREE


@in_no_time
async def test_a_released_task_is_covered_by_the_sweep_from_then_on(world):
    await world.open()
    world.commit()
    await world.looks()
    (row,) = world.rows.tasks.values()
    assert (row.sent_ms, row.sweep_ms) == (world.rows.now_ms, world.rows.now_ms + 2000)


@in_no_time
async def test_a_tenant_whose_tasks_hang_leaves_slots_to_others(world):
    await world.open(slots=16)
    for _ in range(20):
        world.commit("hangs")
    await world.looks()
    assert world.held == {"hangs": 12}, "half of the slots"
    looking = asyncio.ensure_future(world.releases.run())
    await asyncio.sleep(10)
    for _ in range(4):
        world.commit("small")
    await asyncio.sleep(0.05)
    assert world.held == {"hangs": 12}
    looking.cancel()


@in_no_time
async def test_while_another_process_releases_this_one_waits_and_looks_again(world):
    await world.open()
    world.tasks.others_release = True
    world.commit()
    await world.looks()
    assert world.held == {"big": 1}
    world.tasks.others_release = False
    await world.looks()
    assert world.held == {}


@in_no_time
async def test_before_any_worker_has_announced_its_slots_a_number_is_assumed(world):
    await world.nats.ensure_function(subjects.BUILTIN, FunctionSpec(PDF))
    for _ in range(100):
        world.commit("hangs")
    for _ in range(100):
        world.take_all()
        await world.looks(0.1)
    assert world.held == {"hangs": 68}


@in_no_time
async def test_held_tasks_from_before_a_restart_are_found_and_released(world):
    await world.open()
    for _ in range(Window.LEAST):
        world.commit()
    world.releases = Releases(world.tasks, world.nats, world.nats, FakeClock(), world.metrics)
    world.releases.announced("worker", {PDF: 1000})
    await running_for(2, world.releases.find(), world.releases.run())
    assert world.held == {}


@in_no_time
async def test_held_tasks_of_a_function_that_no_longer_serves_all_are_sent_to_their_tenants(world):
    now_ms = world.rows.now_ms
    row = TaskRow("big", 1, "acme.once-shared", "", "t" * 32, b"{}", now_ms, now_ms, None)
    world.rows.tasks[uuid4(), "/a"] = row
    await running_for(1, world.releases.find())
    assert [one.subject for one in world.nats.tasks()] == [subjects.task("big", "acme.once-shared")]


@in_no_time
async def test_a_fault_of_one_function_delays_no_other(world):
    await world.open()
    await world.nats.ensure_function(subjects.BUILTIN, FunctionSpec("notify.email"))
    world.commit()
    world.commit(function="notify.email")
    world.nats.faults.plan("tasks_queued", TransientFault("away"))
    await world.looks(0.005)
    assert sum(row.sent_ms is None for row in world.rows.tasks.values()) == 1
    await world.looks(1)
    assert world.held == {}


@in_no_time
async def test_without_held_tasks_nothing_is_looked_at(world):
    await world.open()
    world.nats.faults.plan("tasks_queued", AssertionError("nobody waits"))
    looking = asyncio.ensure_future(world.releases.run())
    await asyncio.sleep(60)
    assert not looking.done()
    looking.cancel()
