"""`flow.map` on real servers: many items, each done once, whoever dies on the way."""

from collections import Counter
from uuid import UUID

import msgspec

from kit.orchestration import Stack, completed, eventually, faulted, output_of
from visapi_common.contracts.engine_messages import TaskResult
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import TaskMessage
from visapi_engine.model.parts import PART

LARGE = 2 * PART + 40
MAP = (
    "do: [{map: {call: flow.map, with: {items: '${ [range(.n)] }', function: acme.double, concurrency: 32}}}]"
)
BROKEN = standard_error("communication", 400, title="No such customer")


class Doubling:
    """Doubles a number; it counts the effect keys that it saw, and can be told to fail for some numbers."""

    def __init__(self, *, failing: tuple[int, ...] = ()) -> None:
        self.failing = failing
        self.keys: Counter[str] = Counter()
        self.numbers: Counter[int] = Counter()

    def __call__(self, task: TaskMessage) -> TaskResult:
        number = msgspec.json.decode(bytes(task.input.inline))  # type: ignore[arg-type]
        self.keys[task.effect_key] += 1
        self.numbers[number] += 1
        return faulted(task, BROKEN) if number in self.failing else completed(task, number * 2)


async def test_a_small_map_is_done_by_the_run_itself(stack: Stack):
    await stack.gateway.deploy("doubled", MAP)
    async with stack.orchestrator():
        await stack.worker("acme.double", answer=Doubling())
        run = await stack.gateway.start("doubled", {"n": 50})
        assert output_of(await stack.gateway.ended(run)) == {
            "results": [n * 2 for n in range(50)],
            "failed": [],
        }
        assert await stack.gateway.pool.fetchval("select count(*) from runs_done where parent = $1", run) == 0


async def test_a_large_map_is_done_in_parts_and_its_results_stand_in_order(stack: Stack):
    doubling = Doubling(failing=(3, PART + 5))
    await stack.gateway.deploy("doubled", MAP.replace("concurrency: 32", "concurrency: 32, tolerate: 2"))
    async with stack.orchestrator():
        await stack.worker("acme.double", answer=doubling)
        run = await stack.gateway.start("doubled", {"n": LARGE})
        output = output_of(await stack.gateway.ended(run))
        expected = [None if n in doubling.failing else n * 2 for n in range(LARGE)]
        assert output["results"] == expected
        assert [failure["index"] for failure in output["failed"]] == [3, PART + 5]
        parts = await stack.gateway.pool.fetch(
            "select name, version, status from runs_done where parent = $1", run
        )
        assert [tuple(row) for row in parts] == [("doubled", "1.0.0", "completed")] * 3


async def test_when_too_many_fail_what_is_under_way_in_other_parts_is_cancelled(stack: Stack):
    await stack.gateway.deploy("doubled", MAP)
    async with stack.orchestrator():
        await stack.worker("acme.double", answer=Doubling(failing=(PART + 5,)))
        run = await stack.gateway.start("doubled", {"n": LARGE})
        row = await stack.gateway.ended(run)
        error = msgspec.json.decode(row["error"])
        assert (row["status"], error["status"]) == ("faulted", 400)
        assert error["detail"].startswith(f"item {PART + 5}: ")

        async def all_over() -> bool:
            return not await stack.gateway.pool.fetchval("select count(*) from runs where parent = $1", run)

        await eventually(all_over)


async def test_workflows_are_mapped_and_each_child_runs_once(stack: Stack):
    await stack.gateway.deploy("child", "do: [{out: {set: {got: '${ .n * 2 }'}}}]")
    await stack.gateway.deploy(
        "family",
        "do: [{map: {call: flow.map, with: {items: '${ [range(20) | {n: .}] }', concurrency: 4,"
        " workflow: {namespace: test, name: child, version: '1.0.0'}}}}]",
    )
    async with stack.orchestrator():
        run = await stack.gateway.start("family")
        output = output_of(await stack.gateway.ended(run))
        assert output == {"results": [{"got": n * 2} for n in range(20)], "failed": []}
        assert (
            await stack.gateway.pool.fetchval("select count(*) from runs_done where parent = $1", run) == 20
        )


async def test_every_item_is_done_once_though_orchestrators_die_in_the_middle(stack: Stack):
    doubling = Doubling()
    await stack.gateway.deploy("doubled", MAP)

    async def some_done(run: UUID, count: int) -> None:
        async def enough() -> bool:
            return len(doubling.numbers) >= count

        await eventually(enough)

    async with stack.orchestrator():
        await stack.worker("acme.double", answer=doubling)
        run = await stack.gateway.start("doubled", {"n": LARGE})
        await some_done(run, 60)
    async with stack.orchestrator():
        await some_done(run, 200)
    async with stack.orchestrator(), stack.orchestrator():
        output = output_of(await stack.gateway.ended(run))
    assert output == {"results": [n * 2 for n in range(LARGE)], "failed": []}
    assert len(doubling.keys) == LARGE, "an item has one effect key, however often it was asked for"
