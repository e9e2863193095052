"""What tenants use is counted with each fact, and added up without losing or doubling anything."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from kit.ledger_rows import plant
from kit.orchestration import TENANT, Stack, completed, eventually, faulted
from kit.usage_rows import NUMBERS, counted, drift, present
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts.engine_messages import TaskResult
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.runs import ArtifactRef
from visapi_common.contracts.task_messages import TaskMessage
from visapi_orchestrator.upkeep.store.usage import PostgresUsage

DOWN = standard_error("communication", 503, title="Down")
PDF = ArtifactRef("ab.pdf", "ab", 70_000, "application/pdf")
WORK = """
do:
  - print: {call: acme.print}
  - weak: {try: [{call: {call: acme.weak}}], catch: {retry: {delay: {milliseconds: 1}, limit: {attempt: {count: 3}}}}}
  - child: {run: {workflow: {namespace: test, name: small, version: '1.0.0'}}}
"""
SMALL = "do: [{a: {set: {n: 1}}}]"
FAILS = "do: [{a: {call: acme.weak}}]"


class World:
    """The weak task fails at first, or as long as it is told to."""

    def __init__(self) -> None:
        self.down = False

    def __call__(self, task: TaskMessage) -> TaskResult:
        if task.function == "acme.print":
            return completed(task, msgspec.to_builtins(PDF))
        if self.down or (task.attempt == 1 and "weak" in task.path):
            return faulted(task, DOWN)
        return completed(task, {"ok": True})


async def by_workflow(pool: Pool) -> dict[str, dict[str, int]]:
    """What is counted of each workflow, without what is zero."""
    sums = ", ".join(f"sum({name})::bigint as {name}" for name in NUMBERS)
    columns = ", ".join(NUMBERS)
    rows = await pool.fetch(
        f"select namespace || '/' || name as workflow, {sums} from (select namespace, name, {columns} from usage_days"
        f" union all select namespace, name, {columns} from usage_deltas) as u group by 1"
    )
    return {
        row["workflow"]: {name: value for name, value in dict(row).items() if name != "workflow" and value}
        for row in rows
    }


async def test_runs_tasks_and_artifacts_are_counted_once_by_workflow(stack: Stack) -> None:
    world = World()
    for name, steps in (("work", WORK), ("small", SMALL), ("fails", FAILS)):
        await stack.gateway.deploy(name, steps)
    async with stack.orchestrator():
        await stack.worker("acme.print", "acme.weak", answer=world)
        runs = [await stack.gateway.start("work") for _ in range(3)]
        for run in runs:
            assert (await stack.gateway.ended(run))["status"] == "completed"
        world.down = True
        failed = await stack.gateway.start("fails")
        assert (await stack.gateway.ended(failed))["status"] == "faulted"
        world.down = False
        await stack.gateway.tell(failed, "retry", key="retry:1", reason="mended")

        async def again() -> bool:
            row = await stack.gateway.done(failed)
            return row is not None and row["status"] == "completed"

        await eventually(again)
        pool = stack.gateway.pool
        assert await by_workflow(pool) == {
            "test/work": {"accepted": 3, "completed": 3, "tasks": 6, "artifact_bytes": 3 * 70_000},
            "test/small": {"accepted": 3, "completed": 3},
            "test/fails": {"accepted": 1, "retried": 1, "completed": 1, "faulted": 1, "tasks": 1},
        }
        assert drift(await counted(pool, TENANT), await present(pool, TENANT)) == []
        # The orchestrator adds up; nothing is missing or doubled meanwhile.
        await eventually(lambda: nothing_left(pool))
        assert drift(await counted(pool, TENANT), await present(pool, TENANT)) == []


async def nothing_left(pool: Pool) -> bool:
    return not await pool.fetchval("select exists (select from usage_deltas)")


async def test_a_run_that_two_orchestrators_advance_counts_once(stack: Stack) -> None:
    """The transition that loses its compare-and-set counts nothing."""
    pool = stack.gateway.pool
    await stack.gateway.deploy("small", SMALL)
    async with stack.orchestrator(), stack.orchestrator():
        runs = [await stack.gateway.start("small") for _ in range(40)]
        for run in runs:
            await stack.gateway.ended(run)
    assert (await by_workflow(pool))["test/small"] == {"accepted": 40, "completed": 40}


async def test_adding_up_is_whole_while_others_write_and_others_add_up(stack: Stack) -> None:
    pool = stack.gateway.pool
    pools = [await open_pool(stack.database.orchestrator, size=2, application="test") for _ in range(3)]
    rows = [PostgresUsage(each, 400) for each in pools]
    done = asyncio.Event()

    async def write(number: int) -> None:
        for n in range(60):
            await plant(
                pool,
                "usage_deltas",
                tenant=f"t{number % 3}",
                namespace="test",
                name=f"w{n % 7}",
                accepted=n,
                tasks=1,
            )

    async def fold(usage: PostgresUsage) -> None:
        while not done.is_set():
            await usage.fold(11)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for usage in rows:
            group.create_task(fold(usage))
        writers = [group.create_task(write(n)) for n in range(6)]
        await asyncio.wait(writers)
        done.set()
    expected = {"accepted": 2 * sum(range(60)), "tasks": 120}
    for n in range(3):
        sums = await counted(pool, f"t{n}")
        assert {name: sums[name] for name in expected} == expected
    while await rows[0].fold(5000):
        pass
    assert await nothing_left(pool)
    for n in range(3):
        sums = await counted(pool, f"t{n}")
        assert {name: sums[name] for name in expected} == expected
    for each in pools:
        await each.close()


async def test_days_that_are_old_enough_go_and_no_others(stack: Stack) -> None:
    pool, today = stack.gateway.pool, datetime.now(UTC).date()
    zeros: dict[str, Any] = dict.fromkeys(NUMBERS, 0)
    for age in (0, 29, 30, 31, 400):
        day = today - timedelta(days=age)
        await plant(pool, "usage_days", tenant="default", day=day, namespace="test", name="w", **zeros)
    assert await PostgresUsage(pool, 30).sweep(100) == 2
    left = await pool.fetch("select day from usage_days order by day desc")
    assert [(today - row["day"]).days for row in left] == [0, 29, 30]


async def test_what_a_worker_says_of_sizes_is_bounded_and_concerns_its_tenant_alone(stack: Stack) -> None:
    sizes: dict[UUID, int] = {}

    def lies(task: TaskMessage) -> TaskResult:
        ref = {"id": "x", "sha256": "x", "size": sizes[task.run], "media_type": "a/b"}
        return completed(task, ref)

    await stack.gateway.deploy("lies", "do: [{a: {call: acme.lies}}]")
    async with stack.orchestrator():
        await stack.worker("acme.lies", answer=lies)
        for size in (-5, 1 << 60, 3):
            run = await stack.gateway.start("lies", announce=False)
            sizes[run] = size
            assert (await stack.gateway.ended(run))["status"] == "completed"
    assert (await by_workflow(stack.gateway.pool))["test/lies"]["artifact_bytes"] == (1 << 40) + 3
