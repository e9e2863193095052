"""Concurrency, rate and priority, on real servers: limits that nothing outlives and nothing breaks.

Each test is a complaint that users of other engines have filed: slots that a retry, a kill, a
sub-workflow or a dead worker lost or doubled.
"""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from kit.ledger_rows import move_back, overwrite, plant
from kit.orchestration import TENANT, Stack, completed, eventually, faulted, output_of
from kit.tenants import add_tenants
from visapi_common.contracts.engine_messages import TaskResult
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import TaskMessage

WORK = "do: [{work: {call: acme.work, with: {n: '${ .n }'}}}]"
REFUSE = """
create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
create trigger refused before insert on flow_slots for each row when (new.tenant = 'another') execute function refuse()
"""
KEEP_RESERVATIONS = """
create table kept_reservations (run uuid, at timestamptz, waits bool);
create function keep() returns trigger language plpgsql security definer as
$$ begin insert into visapi.kept_reservations values (new.run, new.at, new.at > clock_timestamp()); return new; end $$;
create trigger kept after insert on rate_reservations for each row execute function keep();
create table kept_begins (run uuid, at timestamptz);
create function keep_begin() returns trigger language plpgsql security definer as
$$ begin insert into visapi.kept_begins values (new.id, clock_timestamp()); return new; end $$;
create trigger kept after update on runs for each row
when (old.started_at is null and new.started_at is not null) execute function keep_begin()
"""
DOWN = standard_error("communication", 503, title="Down")


class Gate:
    """A worker whose tasks wait until they are let go; it counts who is within at once."""

    def __init__(self, *, fails: bool = False) -> None:
        self.inside: dict[UUID, asyncio.Event] = {}
        self.most = 0
        self.order: list[int] = []
        self.fails = fails
        self.open = False

    async def __call__(self, task: TaskMessage) -> TaskResult:
        number = msgspec.json.decode(bytes(task.input.inline))["n"]  # type: ignore[arg-type]
        self.order.append(number)
        self.inside[task.run] = asyncio.Event()
        self.most = max(self.most, len(self.inside))
        if not self.open:
            await self.inside[task.run].wait()
        self.inside.pop(task.run, None)
        return faulted(task, DOWN) if self.fails else completed(task, number)

    def let_go(self, run: UUID) -> None:
        self.inside[run].set()

    def let_all_go(self) -> None:
        self.open = True
        for event in self.inside.values():
            event.set()

    async def holds(self, count: int) -> None:
        await eventually(lambda: len(self.inside) == count)


async def waits(stack: Stack, run: UUID) -> bool:
    return bool(await stack.gateway.pool.fetchval("select count(*) from flow_waiting where run = $1", run))


async def slots(stack: Stack) -> int:
    return await stack.gateway.pool.fetchval("select count(*) from flow_slots where not inherited")


@asynccontextmanager
async def working(stack: Stack, gate: Gate, settings: str, orchestrators: int = 1, do: str = WORK):
    await stack.gateway.deploy("limited", do, settings=settings)
    async with stack.orchestrator():
        if orchestrators == 1:
            await stack.worker("acme.work", answer=gate)
            yield
        else:
            async with stack.orchestrator():
                await stack.worker("acme.work", answer=gate)
                yield


async def test_no_more_run_at_once_than_may_and_all_complete(stack: Stack):
    gate = Gate()
    async with working(stack, gate, "{concurrency: {limit: 3}}", orchestrators=2):
        runs = [await stack.gateway.start("limited", {"n": n}) for n in range(20)]
        await gate.holds(3)
        gate.let_all_go()
        for run in runs:
            assert (await stack.gateway.ended(run))["status"] == "completed"
        assert gate.most <= 3
        assert await slots(stack) == 0


async def test_each_key_has_its_own_limit(stack: Stack):
    gate = Gate()
    async with working(stack, gate, "{concurrency: {key: '${ .who }', limit: 1}}"):
        first = await stack.gateway.start("limited", {"n": 1, "who": "a"})
        await gate.holds(1)
        second = await stack.gateway.start("limited", {"n": 2, "who": "a"})
        third = await stack.gateway.start("limited", {"n": 3, "who": "b"})
        await gate.holds(2)
        await eventually(lambda: waits(stack, second))
        assert (await stack.gateway.status(second)) == "pending"
        gate.let_go(first)
        await eventually(lambda: stack.gateway.done(first))
        await gate.holds(2)
        gate.let_all_go()
        for run in (second, third):
            await stack.gateway.ended(run)
        assert gate.order == [1, 3, 2]


@pytest.mark.parametrize("end", ["fault", "cancel"])
async def test_however_a_run_ends_its_slot_goes_to_the_next(stack: Stack, end: str):
    gate = Gate(fails=True)
    async with working(stack, gate, "{concurrency: {limit: 1}}"):
        first = await stack.gateway.start("limited", {"n": 1})
        await gate.holds(1)
        second = await stack.gateway.start("limited", {"n": 2})
        await eventually(lambda: waits(stack, second))
        if end == "cancel":
            await stack.gateway.tell(first, "cancel")
        gate.let_go(first)
        await stack.gateway.ended(first)
        gate.let_all_go()
        await stack.gateway.ended(second)
        assert await slots(stack) == 0


async def test_a_waiting_run_can_be_cancelled_and_is_never_begun(stack: Stack):
    gate = Gate()
    async with working(stack, gate, "{concurrency: {limit: 1}}"):
        first = await stack.gateway.start("limited", {"n": 1})
        await gate.holds(1)
        second = await stack.gateway.start("limited", {"n": 2})
        await eventually(lambda: waits(stack, second))
        await stack.gateway.tell(second, "cancel")
        assert (await stack.gateway.ended(second))["status"] == "cancelled"
        gate.let_go(first)
        await stack.gateway.ended(first)
        assert gate.order == [1]
        assert await stack.gateway.pool.fetchval("select count(*) from flow_waiting") == 0


async def test_a_retried_run_stands_in_line_again(stack: Stack):
    gate = Gate(fails=True)
    async with working(stack, gate, "{concurrency: {limit: 1}}"):
        first = await stack.gateway.start("limited", {"n": 1})
        await gate.holds(1)
        gate.let_go(first)
        await stack.gateway.ended(first)
        second = await stack.gateway.start("limited", {"n": 2})
        await gate.holds(1)
        gate.fails = False
        await stack.gateway.tell(first, "retry", key="retry:1")
        await eventually(lambda: waits(stack, first))
        assert gate.most == 1
        gate.let_all_go()
        await stack.gateway.ended(second)

        async def mended() -> bool:
            row = await stack.gateway.done(first)
            return row is not None and row["status"] == "completed"

        await eventually(mended)
        assert gate.order == [1, 2, 1]
        assert await slots(stack) == 0


async def test_reject_ends_a_run_that_finds_no_room_and_says_why(stack: Stack):
    gate = Gate()
    async with working(stack, gate, "{concurrency: {limit: 1, onLimit: reject}}"):
        first = await stack.gateway.start("limited", {"n": 1})
        await gate.holds(1)
        second = await stack.gateway.start("limited", {"n": 2})
        row = await stack.gateway.ended(second)
        error = msgspec.json.decode(row["error"])
        assert (row["status"], error["status"], error["title"]) == (
            "faulted",
            429,
            "Concurrency limit reached",
        )
        gate.let_all_go()
        await stack.gateway.ended(first)
        third = await stack.gateway.start("limited", {"n": 3})
        assert (await stack.gateway.ended(third))["status"] == "completed"


async def test_cancel_oldest_lets_the_newest_live_and_never_two(stack: Stack):
    gate = Gate()
    async with working(stack, gate, "{concurrency: {limit: 1, onLimit: cancel-oldest}}"):
        first = await stack.gateway.start("limited", {"n": 1})
        await gate.holds(1)
        second = await stack.gateway.start("limited", {"n": 2})
        assert (await stack.gateway.ended(first))["status"] == "cancelled"
        gate.let_go(first)

        await eventually(lambda: 2 in gate.order)
        third = await stack.gateway.start("limited", {"n": 3})
        # Of two runs of one millisecond and one batch either may be the newest.
        await eventually(lambda: stack.gateway.ids.uuid7().int >> 80 > third.int >> 80)
        fourth = await stack.gateway.start("limited", {"n": 4})
        for run in (second, third):
            assert (await stack.gateway.ended(run))["status"] == "cancelled"
        gate.let_all_go()
        assert (await stack.gateway.ended(fourth))["status"] == "completed"


async def test_a_workflow_that_calls_itself_under_its_key_does_not_wait_for_itself(stack: Stack):
    do = (
        "do: [{again: {if: '${ .n > 0 }', run: {workflow: {namespace: test, name: limited, version: '1.0.0',"
        " input: {n: '${ .n - 1 }'}}}}}, {out: {set: {n: '${ $workflow.input.n }'}}}]"
    )
    async with working(stack, Gate(), "{concurrency: {limit: 1}}", do=do):
        run = await stack.gateway.start("limited", {"n": 3})
        assert output_of(await stack.gateway.ended(run)) == {"n": 3}
        assert await stack.gateway.pool.fetchval("select count(*) from flow_slots") == 0


async def test_priority_decides_who_is_next_and_arrival_among_equals(stack: Stack):
    gate = Gate()
    async with working(stack, gate, "{concurrency: {limit: 1}, priority: '${ .p }'}"):
        runs = [await stack.gateway.start("limited", {"n": 0, "p": 5})]
        await gate.holds(1)
        for n, priority in ((1, 1), (2, 5), (3, 9), (4, 5)):
            runs.append(await stack.gateway.start("limited", {"n": n, "p": priority}))
            await eventually(lambda: waits(stack, runs[-1]))
        gate.let_all_go()
        for run in runs:
            await stack.gateway.ended(run)
        assert gate.order == [0, 3, 2, 4, 1]


async def test_a_run_that_waited_long_overtakes_one_of_a_higher_priority(stack: Stack):
    gate = Gate()
    async with working(stack, gate, "{concurrency: {limit: 1}, priority: '${ .p }'}"):
        first = await stack.gateway.start("limited", {"n": 0, "p": 5})
        await gate.holds(1)
        old = await stack.gateway.start("limited", {"n": 1, "p": 1})
        await eventually(lambda: waits(stack, old))
        await move_back(stack.gateway.pool, "flow_waiting", timedelta(minutes=7), "since", run=old)
        new = await stack.gateway.start("limited", {"n": 2, "p": 7})
        await eventually(lambda: waits(stack, new))
        gate.let_all_go()
        for run in (first, old, new):
            await stack.gateway.ended(run)
        assert gate.order == [0, 1, 2]


async def test_no_more_runs_begin_in_a_period_than_may(stack: Stack):
    gate = Gate()
    gate.open = True
    await stack.gateway.pool.execute(KEEP_RESERVATIONS)
    async with working(stack, gate, "{rateLimit: {limit: 3, period: PT1S}}", orchestrators=2):
        runs = [await stack.gateway.start("limited", {"n": n}) for n in range(9)]
        for run in runs:
            await stack.gateway.ended(run)
        # `started_at` is the start of the transaction in which the run found that its time had come.
        kept = await stack.gateway.pool.fetch("select * from kept_begins")
        begun = {row["run"]: row["at"] for row in kept}
        rows = await stack.gateway.pool.fetch("select * from kept_reservations order by at")
        assert {row["run"] for row in rows} == set(runs)
        assert [row for row in rows if row["waits"] and begun[row["run"]] < row["at"]] == []
        spans = [later["at"] - earlier["at"] for earlier, later in zip(rows, rows[3:], strict=False)]
        assert min(spans) >= timedelta(seconds=1), spans


async def test_slots_survive_the_death_of_their_orchestrator(stack: Stack):
    gate = Gate()
    await stack.gateway.deploy("limited", WORK, settings="{concurrency: {limit: 2}}")
    async with stack.orchestrator():
        await stack.worker("acme.work", answer=gate)
        runs = [await stack.gateway.start("limited", {"n": n}) for n in range(6)]
        await gate.holds(2)
    async with stack.orchestrator():
        gate.let_all_go()
        for run in runs:
            assert (await stack.gateway.ended(run))["status"] == "completed"
        assert gate.most <= 2
        assert await slots(stack) == 0


async def left_in_line(stack: Stack, run: UUID, tenant: str) -> None:
    """A run that a dead process has put in line, and that nothing but the sweep of flow control finds."""
    await overwrite(stack.gateway.pool, "runs", {"id": run}, sweep_at=datetime.max.replace(tzinfo=UTC))
    line = {"scope": "test/limited", "key": "", "lim": 1, "on_limit": "queue", "priority": 5}
    await plant(stack.gateway.pool, "flow_waiting", run=run, tenant=tenant, **line)


async def test_what_a_dead_process_left_in_line_is_found(stack: Stack):
    gate = Gate()
    gate.open = True
    async with working(stack, gate, "{concurrency: {limit: 1}}"):
        first = await stack.gateway.start("limited", {"n": 1})
        await stack.gateway.ended(first)
        trigger = stack.gateway.trigger("limited", {"n": 2})
        await stack.gateway.accept(trigger)
        await left_in_line(stack, trigger.run, TENANT)
        place = {"tenant": TENANT, "scope": "test/limited", "key": "", "lim": 1}
        await plant(stack.gateway.pool, "flow_slots", run=uuid4(), **place)
        assert (await stack.gateway.ended(trigger.run))["status"] == "completed"


async def test_a_key_whose_runs_cannot_be_admitted_keeps_no_other_waiting(stack: Stack):
    """A trigger of the operator refuses the slots of one tenant, which is looked at first."""
    gate = Gate()
    gate.open = True
    await stack.gateway.pool.execute(REFUSE)
    async with working(stack, gate, "{concurrency: {limit: 1}}"):
        await add_tenants(stack.gateway.pool, "another")
        runs: dict[str, UUID] = {}
        for tenant in ("another", "default"):
            trigger = stack.gateway.trigger("limited", {"n": 1}, tenant=tenant)
            runs[tenant] = trigger.run
            await stack.gateway.accept(trigger)
        for tenant, run in runs.items():
            await left_in_line(stack, run, tenant)
        assert (await stack.gateway.ended(runs["default"]))["status"] == "completed"
        assert await waits(stack, runs["another"])
        await stack.gateway.pool.execute("drop trigger refused on flow_slots")
        await eventually(lambda: _gone(stack, runs["another"]))


async def _gone(stack: Stack, run: UUID) -> bool:
    return not await waits(stack, run)


async def test_a_key_that_cannot_be_worked_out_faults_its_run_alone(stack: Stack):
    gate = Gate()
    gate.open = True
    async with working(stack, gate, "{concurrency: {key: '${ .who | tonumber }', limit: 1}}"):
        bad = await stack.gateway.start("limited", {"n": 1, "who": "nobody"})
        good = await stack.gateway.start("limited", {"n": 2, "who": "7"})
        assert (await stack.gateway.ended(bad))["status"] == "faulted"
        assert (await stack.gateway.ended(good))["status"] == "completed"
