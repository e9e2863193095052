"""A retried run has its children go on: each from where it stopped, each effect under its key, none for ever."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import msgspec

from kit.ledger_rows import lose
from kit.orchestration import Stack, completed, eventually, faulted, output_of
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxHint, TaskResult
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import TaskMessage

DOWN = standard_error("communication", 503, title="Down")
FUNCTIONS = ("acme.sure", "acme.weak", "acme.slow")
CHILD = "do: [{sure: {call: acme.sure}}, {weak: {call: acme.weak}}]"
SLOW = "do: [{sure: {call: acme.sure}}, {slow: {call: acme.slow}}]"


def calling(name: str) -> str:
    return f"{{run: {{workflow: {{namespace: test, name: {name}, version: latest}}}}}}"


def sequence(name: str) -> str:
    return f"do: [{{sub: {calling(name)}}}, {{after: {{set: {{child: '${{ . }}'}}}}}}]"


BESIDE = (
    f"do: [{{both: {{fork: {{branches: [{{weak: {calling('child')}}}, {{slow: {calling('slow')}}}]}}}}}}]"
)


class World:
    """While it is down, `acme.weak` fails and `acme.slow` answers nothing."""

    def __init__(self) -> None:
        self.down = True
        self.asked: list[TaskMessage] = []
        self.answered: Counter[str] = Counter()

    def __call__(self, task: TaskMessage) -> TaskResult | None:
        self.asked.append(task)
        if self.down and task.function == "acme.weak":
            return faulted(task, DOWN)
        if self.down and task.function == "acme.slow":
            return None
        self.answered[task.effect_key] += 1
        return completed(task, task.function)

    def keys(self, function: str) -> set[str]:
        return {task.effect_key for task in self.asked if task.function == function}


async def ended_as(stack: Stack, run: UUID, status: str, seq: int = 0) -> dict[str, Any]:
    async def there() -> Any:
        row = await stack.gateway.done(run)
        return row if row is not None and row["status"] == status and row["seq"] > seq else None

    return dict(await eventually(there))


async def child_of(stack: Stack, run: UUID) -> UUID:
    return await stack.gateway.pool.fetchval("select id from runs_done where parent = $1", run)


async def error_of(stack: Stack, run: UUID, seq: int) -> dict[str, Any]:
    return msgspec.json.decode((await ended_as(stack, run, "faulted", seq))["error"])


async def test_the_child_goes_on_where_it_failed_and_the_parent_takes_what_it_gives(stack: Stack):
    world = World()
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("parent", sequence("child"))
    async with stack.orchestrator():
        await stack.worker(*FUNCTIONS, answer=world)
        run = await stack.gateway.start("parent")
        seq = (await ended_as(stack, run, "faulted"))["seq"]
        child = await child_of(stack, run)
        world.down = False
        await stack.gateway.tell(run, "retry", reason="mended")
        assert output_of(await ended_as(stack, run, "completed", seq)) == {"child": "acme.weak"}
        assert await child_of(stack, run) == child
        assert set(world.answered.values()) == {1}
        assert (len(world.keys("acme.sure")), len(world.keys("acme.weak"))) == (1, 1)
        resumed = [item for item in await stack.gateway.history(child) if item["type"] == "workflow.resumed"]
        assert [(item["data"]["actor"], item["data"]["reason"]) for item in resumed] == [
            (f"run:{run}", "mended")
        ]
        for one in (run, child):
            for table in ("inbox", "tasks", "timers"):
                assert await stack.gateway.count(table, one) == 0


async def test_however_deep_it_failed(stack: Stack):
    world = World()
    await stack.gateway.deploy("child", CHILD)
    for name, of in (("c", "child"), ("b", "c"), ("a", "b")):
        await stack.gateway.deploy(name, sequence(of))
    async with stack.orchestrator():
        await stack.worker(*FUNCTIONS, answer=world)
        run = await stack.gateway.start("a")
        await ended_as(stack, run, "faulted")
        world.down = False
        await stack.gateway.tell(run, "retry")
        deep = {"child": {"child": {"child": "acme.weak"}}}
        assert output_of(await ended_as(stack, run, "completed")) == deep
        assert set(world.answered.values()) == {1}


async def test_children_that_were_cancelled_beside_it_go_on_where_they_stood(stack: Stack):
    world = World()
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("slow", SLOW)
    await stack.gateway.deploy("parent", BESIDE)
    async with stack.orchestrator(), stack.orchestrator():
        await stack.worker(*FUNCTIONS, answer=world)
        runs = [await stack.gateway.start("parent") for _ in range(20)]
        for run in runs:
            # At once: some of the children have not yet heard that they are cancelled.
            await ended_as(stack, run, "faulted")
            await stack.gateway.tell(run, "retry", key=f"retry:{run}")
        world.down = False
        for run in runs:
            for _ in range(20):
                row = await eventually(lambda run=run: stack.gateway.done(run))
                if row["status"] == "completed":
                    break
                # It was retried while the world was down.
                await stack.gateway.tell(run, "retry", key=f"retry:{row['seq']}")
                await eventually(lambda run=run, row=row: ended_after(stack, run, row["seq"]))
            assert output_of(await ended_as(stack, run, "completed")) == ["acme.weak", "acme.slow"]
        # What was under way is asked for again, under its key: that is what makes it one effect.
        assert [len(world.keys(function)) for function in FUNCTIONS[1:]] == [20, 20]
        assert len(world.keys("acme.sure")) == 40
        assert await stack.gateway.pool.fetchval("select count(*) from runs") == 0
        assert await eventually(lambda: no_rows(stack, "inbox"))


async def ended_after(stack: Stack, run: UUID, seq: int) -> bool:
    row = await stack.gateway.done(run)
    return row is not None and row["seq"] > seq


async def no_rows(stack: Stack, table: str) -> bool:
    return await stack.gateway.pool.fetchval(f"select count(*) = 0 from {table}")


async def test_a_child_that_was_retried_by_itself_has_its_output_taken(stack: Stack):
    world = World()
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("parent", sequence("child"))
    async with stack.orchestrator():
        await stack.worker(*FUNCTIONS, answer=world)
        run = await stack.gateway.start("parent")
        await ended_as(stack, run, "faulted")
        child = await child_of(stack, run)
        world.down = False
        await stack.gateway.tell(child, "retry")
        await ended_as(stack, child, "completed")
        await stack.gateway.tell(run, "retry")
        assert output_of(await ended_as(stack, run, "completed")) == {"child": "acme.weak"}
        assert set(world.answered.values()) == {1}


async def test_a_child_that_cannot_go_on_fails_its_parent_again_and_leaves_nothing_waiting(stack: Stack):
    await stack.gateway.deploy("child", "do: [{pause: {wait: {hours: 1}}}]")
    await stack.gateway.deploy("parent", sequence("child"))
    async with stack.orchestrator():
        run = await stack.gateway.start("parent")
        find = "select id from runs where parent = $1"
        child = await eventually(lambda: stack.gateway.pool.fetchval(find, run))
        await stack.gateway.tell(child, "cancel")
        seq = (await ended_as(stack, run, "faulted"))["seq"]
        await stack.gateway.tell(run, "retry")
        assert (await error_of(stack, run, seq))["title"] == "Child run cancelled"
        assert await stack.gateway.count("inbox", child) == 0


async def test_a_child_that_is_no_longer_kept_fails_its_parent_again(stack: Stack):
    world = World()
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("parent", sequence("child"))
    async with stack.orchestrator():
        await stack.worker(*FUNCTIONS, answer=world)
        run = await stack.gateway.start("parent")
        seq = (await ended_as(stack, run, "faulted"))["seq"]
        child = await child_of(stack, run)
        await lose(stack.gateway.pool, "runs_done", id=child)
        await stack.gateway.tell(run, "retry")
        assert (await error_of(stack, run, seq))["title"] == "Child run not kept"
        assert await stack.gateway.count("inbox", child) == 0


async def test_a_workflow_that_was_not_deployed_is_started_by_the_retry_once_it_is(stack: Stack):
    await stack.gateway.deploy("parent", sequence("child"))
    async with stack.orchestrator():
        run = await stack.gateway.start("parent")
        await ended_as(stack, run, "faulted")
        await stack.gateway.deploy("child", "do: [{s: {set: {done: true}}}]")
        await stack.gateway.tell(run, "retry")
        assert output_of(await ended_as(stack, run, "completed")) == {"child": {"done": True}}


async def test_a_parent_that_is_cancelled_at_once_cancels_the_child_that_was_to_go_on(stack: Stack):
    world = World()
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("parent", sequence("child"))
    async with stack.orchestrator():
        await stack.worker(*FUNCTIONS, answer=world)
        runs = [await stack.gateway.start("parent") for _ in range(10)]
        for run in runs:
            await ended_as(stack, run, "faulted")
            await stack.gateway.tell(run, "retry")
            await stack.gateway.tell(run, "cancel")
        for run in runs:
            await eventually(lambda run=run: stack.gateway.done(run))

        async def quiet() -> bool:
            return await no_rows(stack, "runs") and await no_rows(stack, "inbox")

        await eventually(quiet)


async def test_the_items_of_a_map_that_were_under_way_go_on_and_the_others_are_not_done_again(stack: Stack):
    world = World()
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy(
        "parent",
        "do: [{each: {call: flow.map, with: {items: [1, 2, 3, 4], concurrency: 3,"
        " workflow: {namespace: test, name: child, version: latest}}}}]",
    )
    async with stack.orchestrator():
        await stack.worker(*FUNCTIONS, answer=world)
        run = await stack.gateway.start("parent")
        await ended_as(stack, run, "faulted")
        world.down = False
        await stack.gateway.tell(run, "retry")
        assert output_of(await ended_as(stack, run, "completed")) == {
            "results": ["acme.weak"] * 4,
            "failed": [],
        }
        assert len(world.keys("acme.sure")) == len(world.keys("acme.weak")) == 4


async def test_a_child_that_fails_again_at_once_is_taken_up_once_for_each_retry(stack: Stack):
    await stack.gateway.deploy("child", "do: [{boom: {raise: {error: {type: about:x, status: 500}}}}]")
    await stack.gateway.deploy("parent", sequence("child"))
    async with stack.orchestrator():
        run = await stack.gateway.start("parent")
        seq = (await ended_as(stack, run, "faulted"))["seq"]
        child = await child_of(stack, run)
        for number in (1, 2):
            await stack.gateway.tell(run, "retry", key=f"retry:{number}")
            seq = (await ended_as(stack, run, "faulted", seq))["seq"]
            words = [item["type"] for item in await stack.gateway.history(child)]
            assert words.count("workflow.resumed") == number
            assert await stack.gateway.count("inbox", child) == 0


async def test_a_child_whose_parent_was_cancelled_before_it_went_on_does_not(stack: Stack):
    world = World()
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("parent", sequence("child"))
    async with stack.orchestrator():
        await stack.worker(*FUNCTIONS, answer=world)
        run = await stack.gateway.start("parent")
        await ended_as(stack, run, "faulted")
        child = await child_of(stack, run)
        # The child's own hint is late: what it was told waits in its inbox.
        await stack.gateway.tell(run, "retry", hint=False)
        await stack.gateway.tell(run, "cancel", hint=False)
        await stack.gateway.tell(run, "retry", key="again")
        await ended_as(stack, run, "cancelled")

        async def quiet() -> bool:
            return await no_rows(stack, "runs") and await no_rows(stack, "inbox")

        await eventually(quiet)
        # A hint that comes late, and after it a run that is carried through: nothing woke the child.
        stack.gateway.bus.publish(subjects.inbox(child), msgspec.json.encode(InboxHint(child)))
        await ended_as(stack, await stack.gateway.start("parent"), "faulted")
        await eventually(quiet)
        row = await stack.gateway.done(child)
        assert row is not None
        assert row["status"] in ("faulted", "cancelled")


async def test_a_stale_end_of_a_child_does_not_fail_the_retried_parent(stack: Stack):
    world = World()
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("slow", SLOW)
    await stack.gateway.deploy("parent", BESIDE)
    async with stack.orchestrator(), stack.orchestrator():
        await stack.worker(*FUNCTIONS, answer=world)
        runs = [await stack.gateway.start("parent") for _ in range(30)]
        for run in runs:
            await ended_as(stack, run, "faulted")
        world.down = False
        await asyncio.gather(*(stack.gateway.tell(run, "retry") for run in runs))
        for run in runs:
            assert output_of(await ended_as(stack, run, "completed")) == ["acme.weak", "acme.slow"]


async def test_an_unread_end_from_before_the_retry_does_not_stand_in_the_way_of_the_next_one(stack: Stack):
    go_on = asyncio.Event()

    async def weak(task: TaskMessage) -> TaskResult:
        if task.attempt == 1:
            return faulted(task, DOWN)
        await go_on.wait()
        return completed(task, "mended")

    await stack.gateway.deploy("child", "do: [{weak: {call: acme.weak}}]")
    await stack.gateway.deploy("parent", sequence("child"))
    async with stack.orchestrator():
        worker = await stack.worker("acme.weak", answer=weak)
        run = await stack.gateway.start("parent")
        await ended_as(stack, run, "faulted")
        child = await child_of(stack, run)
        await stack.gateway.tell(run, "retry")

        async def asked_again() -> bool:
            return any(task.attempt == 2 for task in worker.seen)

        await eventually(asked_again)
        # A late end of the child's first try: no hint, so the next one comes while it lies there.
        await stack.gateway.tell(
            run,
            "child",
            key=f"child:{child}",
            hint=False,
            path="/do/0/sub",
            child=str(child),
            status="cancelled",
        )
        go_on.set()
        assert output_of(await ended_as(stack, run, "completed")) == {"child": "mended"}
        assert await stack.gateway.count("inbox", run) == 0
