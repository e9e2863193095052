"""Overdue rows: when they are looked for, how many are claimed, and what one that fails alone costs."""

import asyncio
from uuid import UUID, uuid4

import pytest

from kit.fakes.clocks import NOON_MS, FakeClock, in_no_time, running_for
from kit.fakes.dead_letters import FakeDeadLetters
from kit.fakes.due import FakeDue
from kit.fakes.lanes import FakeQueue
from kit.fakes.nats import FakeNats
from kit.fakes.rows import FakeRows, TimerRow
from kit.fakes.snapshots import pending
from visapi_common.core.errors import PermanentFault, TransientFault
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.kernel.database_clock import DatabaseClock
from visapi_orchestrator.timing.due_work import LIMIT, DueWork


class World:
    """Due work on fakes. The database's clock goes with the event loop's."""

    def __init__(self) -> None:
        self.rows = FakeRows()
        self.due, self.queue, self.metrics = FakeDue(self.rows), FakeQueue(), open_metrics()
        self.clock = DatabaseClock(FakeClock())
        self.clock.heard(0)
        quarantine = Quarantine(FakeDeadLetters(self.rows), FakeNats(self.rows), self.metrics)
        self.work = DueWork(self.due, self.queue, self.clock, quarantine, self.metrics)

    def timer(self, in_s: float) -> UUID:
        run, fire_ms = uuid4(), int(self.rows.now_ms + in_s * 1000)
        self.rows.timers[run, "t"] = TimerRow(fire_ms, fire_ms)
        return run

    def pending(self, tenant: str = "default", *, overdue_s: float = 0.0) -> UUID:
        snapshot = pending(tenant=tenant)
        self.rows.accept(snapshot)
        self.rows.runs[snapshot.run].sweep_ms = int(self.rows.now_ms - overdue_s * 1000)
        return snapshot.run

    async def keep_time(self) -> None:
        loop = asyncio.get_running_loop()
        began, now_ms = loop.time(), self.rows.now_ms
        while True:
            await asyncio.sleep(0.005)
            self.rows.now_ms = now_ms + int((loop.time() - began) * 1000)

    async def fires(self, seconds: float) -> None:
        await running_for(seconds, self.keep_time(), self.work.fire_timers())

    async def sweeps(self, seconds: float) -> None:
        await running_for(seconds, self.keep_time(), self.work.sweep())

    @property
    def fired(self) -> list[UUID]:
        return [messages.run for messages in self.queue.taken if messages.timers]


@pytest.fixture
def world() -> World:
    return World()


class TestTimers:
    @in_no_time
    async def test_a_timer_is_claimed_when_it_is_due_and_not_before(self, world):
        soon, later = world.timer(0.3), world.timer(60)
        await world.fires(0.29)
        assert world.fired == []
        await world.fires(0.05)
        assert world.fired == [soon]
        assert (later, "t") in world.rows.timers

    @in_no_time
    async def test_a_claimed_timer_that_nobody_consumes_comes_again_and_ever_later(self, world):
        run = world.timer(0)
        await world.fires(7.9)
        assert world.fired == [run] * 3, "at once, and after 2 and 4 s; the next time is after 8 s"

    @in_no_time
    async def test_a_timer_that_another_orchestrator_sets_is_found_within_a_second(self, world):
        world.timer(600)

        async def other() -> None:
            await asyncio.sleep(3)
            world.timer(0)
            await asyncio.Event().wait()

        await running_for(4.1, world.keep_time(), world.work.fire_timers(), other())
        assert len(world.fired) == 1

    @in_no_time
    async def test_a_timer_that_a_commit_sets_wakes_the_loop(self, world):
        looks: list[float] = []

        async def commit() -> None:
            await asyncio.sleep(0.5)
            world.timer(0.1)
            looks.append(len(world.due.asked))
            world.work.timer_set(world.rows.now_ms + 100)
            await asyncio.sleep(0.11)
            looks.append(len(world.fired))
            await asyncio.Event().wait()

        await running_for(0.7, world.keep_time(), world.work.fire_timers(), commit())
        assert looks == [1, 1], "one look so far, and then the timer in its time"

    @in_no_time
    async def test_the_database_tells_the_time_with_each_look(self, world):
        await world.fires(0.1)
        assert world.clock.now_ms() >= NOON_MS

    @in_no_time
    async def test_no_more_are_claimed_than_the_pump_has_room_for(self, world):
        world.queue.started = LIMIT - 10
        for _ in range(20):
            world.timer(0)
        await world.fires(0.01)
        assert len(world.fired) == 10 * len(world.due.asked)
        assert world.due.asked[0] == ("timers", 10)

    @in_no_time
    async def test_none_is_claimed_while_the_pump_is_full(self, world):
        world.queue.started = LIMIT
        world.timer(0)
        await world.fires(1)
        assert (world.fired, world.due.asked) == ([], [])

    @in_no_time
    async def test_one_that_cannot_be_claimed_is_set_aside_and_the_others_fire(self, world):
        bad, good = world.timer(-60), world.timer(-1)
        refused = PermanentFault("22008: out of range")
        # 1,000, then 100, 10 and 1 of them; the fault is in the first one.
        world.due.faults.plan("claim_timers", *[refused] * 4)
        await world.fires(1.5)
        (letter,) = world.rows.dead_letters
        assert (letter.kind, letter.run, letter.detail) == ("timer", bad, "22008: out of range")
        assert world.fired == [good]

    @in_no_time
    async def test_a_fault_of_postgresql_is_outlived(self, world):
        run = world.timer(0)
        world.due.faults.plan("claim_timers", TransientFault("away"))
        world.due.faults.plan("next_timer", TransientFault("away"))
        await world.fires(3.5)
        assert set(world.fired) == {run}


class TestTheSweep:
    @in_no_time
    async def test_finds_a_pending_run_whose_trigger_was_lost(self, world):
        run = world.pending()
        await world.sweeps(0.5)
        assert world.queue.pending == [("default", run)]

    @in_no_time
    async def test_finds_an_inbox_row_whose_hint_was_lost_and_notifies_its_run_once(self, world):
        run = uuid4()
        for key in ("a", "b"):
            world.rows.put_inbox(run, key, "default", "cancel", b"{}")
        world.rows.now_ms += 2000
        await world.sweeps(0.5)
        assert [(one.run, one.has_waiting_rows) for one in world.queue.taken] == [(run, True)]

    @in_no_time
    async def test_with_a_backlog_takes_only_what_is_long_overdue(self, world):
        world.pending(overdue_s=10)
        old = world.pending(overdue_s=31)
        world.queue.starting = 500
        await world.sweeps(0.5)
        assert world.queue.pending == [("default", old)]

    @in_no_time
    async def test_finds_a_run_whose_trigger_was_lost_while_others_keep_the_pump_busy(self, world):
        world.queue.started, world.queue.starting = 900, 10
        lost = world.pending()
        await world.sweeps(1.5)
        assert world.queue.pending == [("default", lost)]

    @in_no_time
    async def test_takes_runs_that_the_pump_deferred_as_soon_as_there_is_room(self, world):
        world.queue.starting = 2000
        await world.sweeps(0.5)
        runs = {world.pending(overdue_s=0) for _ in range(5)}
        world.queue.deferred = 5
        world.queue.starting = 100
        await world.sweeps(0.05)
        assert {run for _, run in world.queue.pending} == runs

    @in_no_time
    async def test_serves_each_tenant_alike(self, world):
        for _ in range(LIMIT + 200):
            world.pending("big")
        small = world.pending("small")
        await world.sweeps(0.001)
        first = world.queue.pending[: LIMIT // 2 + 1]
        assert ("small", small) in first

    @in_no_time
    async def test_leaves_inbox_rows_alone_while_the_pump_is_full(self, world):
        world.rows.put_inbox(uuid4(), "a", "default", "cancel", b"{}")
        world.rows.now_ms += 2000
        world.queue.started = LIMIT
        await world.sweeps(0.5)
        assert world.queue.taken == []

    @in_no_time
    async def test_sets_an_inbox_row_aside_whose_kind_nobody_knows(self, world):
        run = uuid4()
        world.rows.put_inbox(run, "x", "default", "of-a-newer-release", b"{}")
        world.rows.inbox[run, "x"].sweeps = 5
        world.rows.now_ms += 2000
        await world.sweeps(0.5)
        (letter,) = world.rows.dead_letters
        assert (letter.reason, letter.run, world.rows.inbox) == ("bad-inbox", run, {})

    @in_no_time
    async def test_outlives_a_fault_of_postgresql(self, world):
        run = world.pending()
        world.due.faults.plan("claim_runs", TransientFault("away"))
        await world.sweeps(1.5)
        assert ("default", run) in world.queue.pending
