"""Faulted runs that are taken up again, on real servers: once, whole, and whoever is there to do it."""

import asyncio
from uuid import UUID

import msgspec

from kit.orchestration import TENANT, Stack, completed, eventually, faulted, output_of
from visapi_common.adapters.clock import RandomIds
from visapi_common.contracts.engine_messages import TaskResult
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import Claim, TaskMessage
from visapi_orchestrator.tasks.store.tasks import PostgresTasks
from visapi_orchestrator.transitions.store.ledger import PostgresLedger

TWO = "do: [{first: {call: acme.sure}}, {second: {call: acme.weak}}, {last: {set: {got: '${ . }'}}}]"
DOWN = standard_error("communication", 503, title="Down")


class World:
    """Its second task fails as long as it is told to."""

    def __init__(self) -> None:
        self.down = True
        self.asked: list[tuple[str, int]] = []

    def __call__(self, task: TaskMessage) -> TaskResult:
        self.asked.append((task.path, task.attempt))
        if self.down and task.function == "acme.weak":
            return faulted(task, DOWN)
        return completed(task, task.effect_key)


async def failed(stack: Stack) -> UUID:
    run = await stack.gateway.start("two", {"n": 1})
    assert (await stack.gateway.ended(run))["status"] == "faulted"
    return run


async def completes(stack: Stack, run: UUID) -> None:
    async def done() -> bool:
        row = await stack.gateway.done(run)
        return row is not None and row["status"] == "completed"

    await eventually(done)


async def test_a_faulted_run_goes_on_under_the_same_effect_key_with_a_dense_history(stack: Stack):
    world = World()
    await stack.gateway.deploy("two", TWO)
    async with stack.orchestrator():
        worker = await stack.worker("acme.sure", "acme.weak", answer=world)
        run = await failed(stack)
        before = await stack.gateway.done(run)
        assert before is not None
        world.down = False
        await stack.gateway.tell(run, "retry", key="retry:9", reason="mended")
        await completes(stack, run)
        after = await stack.gateway.done(run)
        assert after is not None
        assert world.asked == [("/do/0/first", 1), ("/do/1/second", 1), ("/do/1/second", 2)]
        keys = {task.effect_key for task in worker.seen if task.path == "/do/1/second"}
        assert len(keys) == 1
        assert output_of(after) == {"got": keys.pop()}
        assert after["resume"] is None
        assert (after["created_at"], after["started_at"]) == (before["created_at"], before["started_at"])
        items = await stack.gateway.history(run)
        assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
        words = [item["type"] for item in items]
        assert words.count("workflow.faulted") == words.count("workflow.resumed") == 1
        assert words[-1] == "workflow.completed"
        for table in ("inbox", "tasks", "timers"):
            assert await stack.gateway.count(table, run) == 0


async def test_the_same_retry_twice_and_two_orchestrators_take_the_run_up_once(stack: Stack):
    world = World()
    await stack.gateway.deploy("two", TWO)
    async with stack.orchestrator(), stack.orchestrator():
        await stack.worker("acme.sure", "acme.weak", answer=world)
        runs = [await failed(stack) for _ in range(10)]
        world.down = False
        for run in runs:
            await stack.gateway.tell(run, "retry", key="retry:9")
            await stack.gateway.tell(run, "retry", key="retry:other")
        for run in runs:
            await completes(stack, run)
        assert world.asked.count(("/do/1/second", 2)) == len(runs)
        assert world.asked.count(("/do/0/first", 1)) == len(runs)

        async def consumed() -> bool:
            return sum([await stack.gateway.count("inbox", run) for run in runs]) == 0

        await eventually(consumed)


async def test_a_retry_that_nobody_hinted_at_is_found_by_the_sweep(stack: Stack):
    world = World()
    await stack.gateway.deploy("two", TWO)
    async with stack.orchestrator():
        await stack.worker("acme.sure", "acme.weak", answer=world)
        run = await failed(stack)
    world.down = False
    await stack.gateway.tell(run, "retry", key="retry:9", hint=False)
    async with stack.orchestrator():
        await completes(stack, run)


async def test_a_run_that_was_made_live_before_its_orchestrator_died_goes_on(stack: Stack):
    """Between making a run live and its first transition nothing but the row in its inbox says why."""
    world = World()
    await stack.gateway.deploy("two", TWO)
    async with stack.orchestrator():
        await stack.worker("acme.sure", "acme.weak", answer=world)
        run = await failed(stack)
    world.down = False
    await stack.gateway.tell(run, "retry", key="retry:9", hint=False)
    assert (await PostgresLedger(stack.gateway.pool, RandomIds()).revive([run])).live == [run]
    async with stack.orchestrator():
        await completes(stack, run)
    assert world.asked.count(("/do/1/second", 2)) == 1


async def test_a_task_that_somebody_had_begun_and_may_do_once_forbids_the_retry(stack: Stack):
    """The failure cancels it; nobody will know what became of it, so nobody may ask for it again."""
    beside = "do: [{all: {fork: {branches: [{slow: {call: acme.slow}}, {weak: {call: acme.weak}}]}}}]"
    gate = asyncio.Event()

    async def fails_late(task: TaskMessage) -> TaskResult:
        await gate.wait()
        return faulted(task, DOWN)

    await stack.gateway.deploy("two", beside)
    async with stack.orchestrator():
        slow = await stack.worker("acme.slow", answer=lambda _: None)
        await stack.worker("acme.weak", answer=fails_late)
        runs = [await stack.gateway.start("two", {"n": n}) for n in range(2)]

        async def asked() -> bool:
            return {task.run for task in slow.seen} >= set(runs)

        await eventually(asked)
        task = next(task for task in slow.seen if task.run == runs[0])
        rows = PostgresTasks(stack.gateway.pool)
        claim = Claim(task.run, task.path, task.attempt, task.token, "worker")
        held = await rows.claim([(TENANT, claim)])
        assert list(held.values()) == ["worker"]
        gate.set()
        ended = [await stack.gateway.ended(run) for run in runs]
        assert [row["resume"] is None for row in ended] == [True, False]


async def test_an_input_that_cannot_be_read_is_told_and_the_run_can_be_retried_again(stack: Stack):
    world = World()
    await stack.gateway.deploy("two", TWO)
    async with stack.orchestrator():
        await stack.worker("acme.sure", "acme.weak", answer=world)
        run = await failed(stack)
        lost = {"ref": f"{'0' * 64}.json", "size": 70_000, "sha256": "0" * 64}
        await stack.gateway.tell(run, "retry", key="retry:9", input=lost)

        async def told() -> bool:
            row = await stack.gateway.done(run)
            return row is not None and b"Unreadable input" in row["error"]

        await eventually(told)
        world.down = False
        await stack.gateway.tell(run, "retry", key="retry:10")
        await completes(stack, run)
        assert world.asked.count(("/do/0/first", 1)) == 1


async def test_a_retry_of_what_cannot_be_taken_up_is_dropped(stack: Stack):
    await stack.gateway.deploy("fine", "do: [{a: {set: {x: 1}}}]")
    async with stack.orchestrator():
        run = await stack.gateway.start("fine")
        await stack.gateway.ended(run)
        await stack.gateway.tell(run, "retry", key="retry:1")

        async def gone() -> bool:
            return await stack.gateway.count("inbox", run) == 0

        await eventually(gone)
        row = await stack.gateway.done(run)
        assert row is not None
        assert row["status"] == "completed"


async def test_another_input_and_another_version_are_what_the_run_goes_on_with(stack: Stack):
    source = "do: [{ask: {call: acme.weak, with: {n: '${ .n }'}}}, {last: {set: {got: '${ . }', by: OLD}}}]"
    asked: list[object] = []

    def answer(task: TaskMessage) -> TaskResult:
        asked.append(msgspec.json.decode(bytes(task.input.inline)))  # type: ignore[arg-type]
        return faulted(task, DOWN) if task.attempt == 1 else completed(task, "yes")

    await stack.gateway.deploy("two", source)
    async with stack.orchestrator():
        await stack.worker("acme.weak", answer=answer)
        run = await stack.gateway.start("two", {"n": 1})
        await stack.gateway.ended(run)
        await stack.gateway.deploy("two", source.replace("OLD", "NEW"), version="1.1.0")
        program = stack.gateway.deployed("two")[1]
        await stack.gateway.tell(
            run, "retry", key="retry:9", input={"inline": {"n": 2}}, version="1.1.0", program=program
        )
        await completes(stack, run)
        row = await stack.gateway.done(run)
        assert row is not None
        assert (output_of(row), row["version"]) == ({"got": "yes", "by": "NEW"}, "1.1.0")
        assert asked == [{"n": 1}, {"n": 2}]
