"""A tenant that wants much does not keep the others waiting, and what waits for its turn is not lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec

from kit.ledger_rows import move_back, overwrite, plant_all
from kit.mini_worker import register
from kit.orchestration import Stack, completed, eventually
from kit.tenants import add_tenants
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import TaskResult
from visapi_common.contracts.task_messages import FunctionSpec, TaskMessage, WorkerSlots
from visapi_common.runtime.service import Lifecycle
from visapi_orchestrator.kernel.rules.fair_queue import Window
from visapi_orchestrator.tasks.rules.shares import allot
from visapi_orchestrator.tasks.store.tasks import PostgresTasks

TASKS_SQL = load_queries("visapi_orchestrator.tasks.store", "tasks.sql")

SIXTEEN = {"pdf.render": 16}
BIG, SMALL = "big", "small"
RENDER = "do: [{page: {call: pdf.render, with: {html: '<p>x</p>'}}}]"
PLAIN = "do: [{a: {set: {x: 1}}}]"


class Slow:
    """A worker that does two at once, each in 5 ms, while it is not paused."""

    def __init__(self) -> None:
        self._hands = asyncio.Semaphore(2)
        self.going = asyncio.Event()
        self.going.set()
        self.done: list[str] = []
        self.keys: Counter[str] = Counter()

    async def __call__(self, task: TaskMessage) -> TaskResult:
        async with self._hands:
            await self.going.wait()
            await asyncio.sleep(0.005)
        self.done.append(task.tenant)
        self.keys[task.effect_key] += 1
        return completed(task)


async def tenants(stack: Stack, do: str) -> None:
    for tenant in (BIG, SMALL):
        await add_tenants(stack.gateway.pool, tenant)
        await stack.gateway.deploy("flow", do, tenant=tenant)


async def ended(stack: Stack, tenant: str, number: int) -> bool:
    count = "select count(*) from runs_done where tenant = $1 and status = 'completed'"
    return await stack.gateway.pool.fetchval(count, tenant) >= number


async def backlog(stack: Stack, number: int, *, announce: bool = True) -> None:
    for _ in range(number):
        await stack.gateway.start("flow", tenant=BIG, announce=announce)


async def held(stack: Stack) -> int:
    return await stack.gateway.pool.fetchval("select count(*) from tasks where sent_at is null")


async def held_are(stack: Stack, number: int) -> bool:
    return await held(stack) == number


async def test_open_tasks_of_a_function_are_reported_whether_held_or_sent(stack: Stack):
    await tenants(stack, RENDER)

    async def reported(lifecycle: Lifecycle, number: int) -> bool:
        read = lifecycle.metrics.registry.get_sample_value
        return read("visapi_tasks_open", {"function": "pdf.render"}) == number

    async with stack.orchestrator() as lifecycle:
        await backlog(stack, 300)
        assert await eventually(lambda: reported(lifecycle, 300), within_s=30)
        assert await held(stack) > 0
        await stack.worker("pdf.render", owner=subjects.BUILTIN, at_once=16)
        assert await eventually(lambda: reported(lifecycle, 0), within_s=60)
        assert await ended(stack, BIG, 300)


async def test_a_call_of_one_tenant_does_not_wait_behind_all_those_of_another(stack: Stack):
    await tenants(stack, RENDER)
    slow = Slow()
    async with stack.orchestrator() as lifecycle:
        await stack.worker("pdf.render", answer=slow, owner=subjects.BUILTIN, at_once=4)
        slow.going.clear()
        await backlog(stack, 500)
        await eventually(lambda: held(stack))
        for number in range(1, 4):
            slow.going.clear()
            before = len(slow.done)
            # Tasks that come while others are held wait for their turn from the start.
            await backlog(stack, 20)
            run = await stack.gateway.start("flow", tenant=SMALL)
            await eventually(lambda run=run: stack.gateway.count("tasks", run))
            slow.going.set()
            await eventually(lambda number=number: ended(stack, SMALL, number))
            # Before it comes what lay in the stream and in the worker's hands.
            assert slow.done[before:].index(SMALL) < 200
        assert await eventually(lambda: ended(stack, BIG, 560))
        assert set(slow.keys.values()) == {1}
        assert total(lifecycle, "visapi_tasks_held_total") > 0


class Hanging:
    """A worker whose tasks of one tenant never end before `free`, as when the tenant's receiver hangs."""

    def __init__(self) -> None:
        self.began: Counter[str] = Counter()
        self.free = asyncio.Event()

    async def __call__(self, task: TaskMessage) -> TaskResult:
        self.began[task.tenant] += 1
        if task.tenant == BIG:
            await self.free.wait()
        return completed(task)


@asynccontextmanager
async def announced_slots(stack: Stack) -> AsyncIterator[None]:
    """Announces a worker's slots again and again, as workers do: one that falls silent is forgotten."""

    async def announce() -> None:
        stack.gateway.bus.publish(subjects.CONTROL_SLOTS, msgspec.json.encode(WorkerSlots("mini", SIXTEEN)))
        await stack.gateway.bus.flush()

    async def repeat() -> None:
        while True:
            await asyncio.sleep(5)
            await announce()

    await announce()
    repeating = asyncio.create_task(repeat())
    try:
        yield
    finally:
        repeating.cancel()


async def test_tasks_of_one_tenant_that_hang_leave_slots_to_another(stack: Stack):
    await tenants(stack, RENDER)
    hanging = Hanging()
    async with stack.orchestrator():
        await stack.worker("pdf.render", answer=hanging, owner=subjects.BUILTIN, at_once=1000)
        async with announced_slots(stack):
            await backlog(stack, 100)
            await eventually(lambda: held_are(stack, 92))
            for number in range(1, 21):
                await stack.gateway.start("flow", tenant=SMALL)
                await eventually(lambda number=number: ended(stack, SMALL, number))
            assert hanging.began[BIG] == 8
        hanging.free.set()
        assert await eventually(lambda: ended(stack, BIG, 100))
    assert hanging.began == {BIG: 100, SMALL: 20}


async def test_two_orchestrators_that_release_at_once_give_a_tenant_its_share_and_no_more(stack: Stack):
    await tenants(stack, RENDER)
    hanging = Hanging()
    async with stack.orchestrator(), stack.orchestrator():
        await stack.worker("pdf.render", answer=hanging, owner=subjects.BUILTIN, at_once=1000)
        async with announced_slots(stack):
            await stack.gateway.start("flow", tenant=SMALL)
            await eventually(lambda: ended(stack, SMALL, 1))
            triggers = [stack.gateway.trigger("flow", tenant=BIG) for _ in range(200)]
            for trigger in triggers:
                await stack.gateway.accept(trigger)
            for trigger in triggers:
                stack.gateway.announce(trigger)
            await eventually(lambda: held_are(stack, 192))
            await stack.gateway.start("flow", tenant=SMALL)
            await eventually(lambda: ended(stack, SMALL, 2))
            assert hanging.began[BIG] == 8
        hanging.free.set()
        assert await eventually(lambda: ended(stack, BIG, 200))
    assert hanging.began == {BIG: 200, SMALL: 2}


async def test_releases_at_the_same_time_never_add_up_to_more_than_a_share(stack: Stack):
    pool = stack.gateway.pool
    most = "select max(number) from (select count(*) as number from tasks where sent_at is not null group by tenant) n"

    def half(held: Mapping[str, int], sent: Mapping[str, int]) -> Mapping[str, int]:
        return allot(held, sent, room=100, slots=16, last="").given

    async def releasing(rows: PostgresTasks) -> int:
        released = [await rows.release_alone("pdf.render", 100, half) for _ in range(5)]
        return sum(len(some) for some in released if some is not None)

    task = {"path": "/do/0/a", "attempt": 1, "tenant": BIG, "function": "pdf.render", "partition": 0}
    message = {"effect_key": "", "token": "", "message": b"", "sent_at": None}
    await plant_all(pool, "tasks", [{"run": uuid4(), **task, **message} for _ in range(100)])
    for _ in range(20):
        assert await overwrite(pool, "tasks", {}, sent_at=None) == 100
        released = await asyncio.gather(*(releasing(PostgresTasks(pool)) for _ in range(4)))
        assert (sum(released), await pool.fetchval(most)) == (8, 8)


async def test_what_is_under_way_is_counted_from_its_index_alone(stack: Stack):
    pool = stack.gateway.pool
    await pool.execute(
        "insert into tasks (run, path, attempt, tenant, function, effect_key, token, message, partition, sent_at)"
        " select gen_random_uuid(), '/do/0/a', 1, 't' || n % 1000,"
        " case when n % 500 = 0 then 'pdf.render' else 'own.function' end, '', '', '', 0, now()"
        " from generate_series(1, 200000) as n"
    )
    await pool.execute("vacuum analyze tasks")
    rows = await pool.fetch("explain " + TASKS_SQL["sent_tenants"].replace("$1", "'pdf.render'"))
    shown = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "tasks_sent" in shown, shown
    assert "Seq Scan" not in shown, shown


async def test_two_orchestrators_release_each_task_once(stack: Stack):
    await tenants(stack, RENDER)
    slow = Slow()
    async with stack.orchestrator(), stack.orchestrator():
        await stack.worker("pdf.render", answer=slow, owner=subjects.BUILTIN, at_once=4)
        await backlog(stack, 300)
        for _ in range(20):
            await stack.gateway.start("flow", tenant=SMALL)
        assert await eventually(lambda: ended(stack, SMALL, 20))
        assert await eventually(lambda: ended(stack, BIG, 300))
        assert set(slow.keys.values()) == {1}


async def test_held_tasks_survive_the_orchestrator_and_the_stream(stack: Stack):
    await tenants(stack, RENDER)
    slow = Slow()
    async with stack.orchestrator():
        await register(await stack.bus(), [FunctionSpec("pdf.render")], subjects.BUILTIN)
        await backlog(stack, 100)
        # No worker takes any: some lie in the stream, the others are held back.
        await eventually(lambda: held_are(stack, 100 - Window.FREE))
    bus = await stack.bus()
    await bus.request(f"$JS.API.STREAM.DELETE.{subjects.STREAM_TASKS}", b"", 2.0)
    async with stack.orchestrator():
        await stack.worker("pdf.render", answer=slow, owner=subjects.BUILTIN, at_once=4)
        assert await eventually(lambda: ended(stack, BIG, 100))
        assert await held(stack) == 0


async def test_the_higher_priority_of_a_tenant_goes_first_and_age_makes_up_for_it(stack: Stack):
    await tenants(stack, RENDER)
    slow = Slow()
    await backlog(stack, 60)
    runs = [row["id"] for row in await stack.gateway.pool.fetch("select id from runs")]
    for priority, some in ((9, runs[::2]), (1, runs[1::2])):
        await overwrite(stack.gateway.pool, "runs", {"id": some}, priority=priority)
    async with stack.orchestrator():
        # No worker is there.
        await eventually(lambda: held_are(stack, 60))
        order = [
            row["priority"]
            for row in await stack.gateway.pool.fetch(
                "select priority from tasks where sent_at is null order by ready_at"
            )
        ]
        assert order == sorted(order, reverse=True)
        # Nine minutes later a task of priority 1 stands before a new one of priority 9.
        await move_back(stack.gateway.pool, "tasks", timedelta(minutes=9), "ready_at", priority=1)
        first = "select priority from tasks where sent_at is null order by ready_at limit 1"
        assert await stack.gateway.pool.fetchval(first) == 1
    assert slow.done == []


async def test_a_run_of_one_tenant_does_not_wait_behind_all_those_that_another_started(stack: Stack):
    await tenants(stack, PLAIN)
    gateway = stack.gateway
    triggers = [gateway.trigger("flow", tenant=BIG) for _ in range(4000)]
    for trigger in triggers:
        await gateway.accept(trigger)
    await overwrite(gateway.pool, "runs", {}, sweep_at=datetime.now(UTC) + timedelta(seconds=10))
    async with stack.orchestrator() as lifecycle:
        await eventually(lambda: lifecycle.readiness.ready)
        # They took a while to accept; none of them is overdue yet.
        await overwrite(gateway.pool, "runs", {}, sweep_at=datetime.now(UTC) + timedelta(seconds=3))
        for trigger in triggers:
            gateway.announce(trigger)
        late = gateway.trigger("flow", tenant=SMALL)
        await gateway.accept(late)
        gateway.announce(late)
        assert await eventually(lambda: ended(stack, BIG, 4000))
        assert await done_before(stack, SMALL) < 2000


def total(lifecycle: Lifecycle, name: str) -> float:
    """A counter, over its labels."""
    samples = (sample for family in lifecycle.metrics.registry.collect() for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name == name)


async def done_before(stack: Stack, tenant: str) -> int:
    """How many runs of others ended before the tenant's."""
    first = "(select min(ended_at) from runs_done where tenant = $1)"
    count = f"select count(*) from runs_done where tenant <> $1 and ended_at < {first}"
    return await stack.gateway.pool.fetchval(count, tenant)


async def test_pending_runs_are_found_tenant_by_tenant(stack: Stack):
    await tenants(stack, PLAIN)
    await backlog(stack, 3000, announce=False)
    await stack.gateway.start("flow", tenant=SMALL, announce=False)
    now = datetime.now(UTC)
    await overwrite(stack.gateway.pool, "runs", {"tenant": BIG}, sweep_at=now - timedelta(minutes=1))
    await overwrite(stack.gateway.pool, "runs", {"tenant": SMALL}, sweep_at=now)
    async with stack.orchestrator():
        assert await eventually(lambda: ended(stack, BIG, 3000))
        assert await done_before(stack, SMALL) < 2000
