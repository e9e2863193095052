"""History becomes lifecycle events: each is published in order, and the mark moves only after that."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.fakes.clocks import FakeClock, in_no_time, running_for
from kit.fakes.dead_letters import FakeDeadLetters
from kit.fakes.history import FakeHistory
from kit.fakes.lanes import FakeQueue
from kit.fakes.nats import FakeLifecycleStream, FakeNats
from kit.fakes.rows import FakeRows
from kit.fakes.snapshots import pending
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.core.event_keys import shape_and_key
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.events.lifecycle_relay import LIMIT, LifecycleRelay, Which
from visapi_orchestrator.kernel.database_clock import DatabaseClock
from visapi_orchestrator.transitions.relations.history import HistoryRow
from visapi_orchestrator.transitions.relations.subscriptions import SubscriptionRow

STARTED, COMPLETED = (
    "io.serverlessworkflow.workflow.started.v1",
    "io.serverlessworkflow.workflow.completed.v1",
)


class World:
    def __init__(self, which: Which = "workflow") -> None:
        self.rows, self.metrics = FakeRows(), open_metrics()
        self.history, self.stream = FakeHistory(self.rows), FakeLifecycleStream()
        self.queue = FakeQueue()
        clock = DatabaseClock(FakeClock())
        clock.heard(self.rows.now_ms)
        self.relay = LifecycleRelay(
            self.history,
            self.stream,
            self.queue,
            clock,
            self.metrics,
            quarantine=Quarantine(FakeDeadLetters(self.rows), FakeNats(self.rows), self.metrics),
            which=which,
        )

    def run(self, **changes: Any) -> UUID:
        snapshot = pending(**changes)
        self.rows.accept(snapshot)
        return snapshot.run

    def commit(self, run: UUID, *types: str, seq: int = 1) -> None:
        """History items of one transition."""
        items: list[dict[str, Any]] = []
        for number, kind in enumerate(types, seq):
            item: dict[str, Any] = {"seq": number, "type": kind, "time": "2026-01-01T12:00:00Z"}
            if kind.startswith("task."):
                item["task"] = {"name": "a", "pointer": "/do/0/a"}
            items.append(item)
        self.rows.history.append(HistoryRow(run, seq, seq + len(types) - 1, msgspec.json.encode(items)))

    def listen(self, kind: str) -> UUID:
        run = self.run()
        self.rows.subscriptions.append(
            SubscriptionRow(run, "/do/0/l", 0, "default", *shape_and_key({"type": kind}))
        )
        return run

    async def relays(self, seconds: float = 2.5) -> None:
        await running_for(seconds, self.relay.run())

    @property
    def told(self) -> list[str]:
        return [
            f"{one.event.id.rpartition(':')[2]} {one.event.type.split('.', 2)[2]}"
            for one in self.stream.stored
        ]


@pytest.fixture
def world() -> World:
    return World()


@in_no_time
async def test_every_item_of_a_workflow_has_its_event_in_the_order_of_the_commits(world):
    run = world.run()
    world.commit(run, "workflow.started", "task.started")
    world.commit(run, "task.completed", "workflow.completed", seq=3)
    await world.relays()
    assert world.told == ["1 workflow.started.v1", "4 workflow.completed.v1"]
    assert world.rows.told_upto == 2


@in_no_time
async def test_items_of_tasks_are_published_where_they_are_asked_for():
    world = World("all")
    world.commit(world.run(), "workflow.started", "task.started", "task.skipped")
    await world.relays()
    assert world.told == ["1 workflow.started.v1", "2 task.started.v1"]


@in_no_time
async def test_where_nobody_asks_for_any_the_mark_moves_past_them():
    world = World("none")
    world.commit(world.run(), "workflow.started")
    await world.relays()
    assert (world.told, world.rows.told_upto) == ([], 1)


@in_no_time
async def test_a_hint_wakes_the_relay_between_its_looks(world):
    async def commit() -> None:
        await asyncio.sleep(0.3)
        world.commit(world.run(), "workflow.started")
        world.relay.hint()
        await asyncio.Event().wait()

    await running_for(0.5, world.relay.run(), commit())
    assert world.told == ["1 workflow.started.v1"]


@in_no_time
async def test_a_batch_is_bounded_and_the_next_one_follows(world):
    run = world.run()
    for number in range(LIMIT + 10):
        world.commit(run, "workflow.suspended", seq=number + 1)
    await world.relays(0.2)
    assert (len(world.told), world.stream.how) == (LIMIT + 10, [False, False])


@in_no_time
async def test_a_replica_without_the_lease_publishes_nothing(world):
    world.history.leased = True
    world.commit(world.run(), "workflow.started")
    await world.relays()
    assert (world.told, world.rows.told_upto) == ([], 0)


class TestWhenPublishingFails:
    @in_no_time
    async def test_the_mark_stays_and_the_events_are_published_again_singly(self, world):
        world.stream.faults.plan("publish", UnknownFault("the acknowledgement was lost"))
        world.commit(world.run(), "workflow.started")
        await world.relays()
        assert (world.stream.how, world.told) == ([False, True], ["1 workflow.started.v1"])
        assert world.rows.told_upto == 1

    @in_no_time
    async def test_listeners_are_notified_once_it_has_succeeded(self, world):
        listener = world.listen(STARTED)
        world.stream.faults.plan("publish", *[TransientFault("NATS is away")] * 2)
        world.commit(world.run(), "workflow.started")
        await world.relays(1.0)
        assert (world.queue.taken, world.rows.inbox) == ([], {})
        await world.relays(5.0)
        assert [messages.run for messages in world.queue.taken] == [listener]

    @in_no_time
    async def test_one_event_that_is_refused_is_set_aside_and_the_others_are_published(self, world):
        refused = PermanentFault("too large")
        runs = [world.run() for _ in range(4)]
        for run in runs:
            world.commit(run, "workflow.started")
        # The batch, its first half, and the first event.
        world.stream.faults.plan("publish", refused, refused, refused)
        await world.relays()
        assert [one.run for one in world.stream.stored] == runs[1:]
        (letter,) = world.rows.dead_letters
        assert (letter.reason, letter.run) == ("untellable-lifecycle", runs[0])
        assert world.rows.told_upto == 4


class TestListeners:
    @in_no_time
    async def test_find_the_event_in_their_inbox_and_are_woken(self, world):
        listener, run = world.listen(COMPLETED), world.run()
        world.commit(run, "workflow.started", "workflow.completed")
        await world.relays()
        ((owner, _),) = world.rows.inbox
        assert (owner, [messages.run for messages in world.queue.taken]) == (listener, [listener])

    @in_no_time
    async def test_hear_neither_of_themselves_nor_of_their_children(self, world):
        listener = world.listen(STARTED)
        world.commit(listener, "workflow.started")
        world.commit(world.run(parent=listener), "workflow.started")
        await world.relays()
        assert (len(world.told), world.queue.taken) == (2, [])

    @in_no_time
    async def test_of_another_tenant_hear_nothing(self, world):
        world.listen(STARTED)
        world.commit(world.run(tenant="other"), "workflow.started")
        await world.relays()
        assert world.queue.taken == []


@in_no_time
async def test_history_that_cannot_be_read_is_set_aside_and_keeps_nothing_back(world):
    bad, good = world.run(), world.run()
    world.rows.history.append(HistoryRow(bad, 1, 1, b'[{"type":"workflow.'))
    world.commit(good, "workflow.started")
    await world.relays()
    assert world.told == ["1 workflow.started.v1"]
    assert [letter.run for letter in world.rows.dead_letters] == [bad]


@in_no_time
async def test_a_run_that_is_forgotten_has_no_events(world):
    run = world.run()
    world.commit(run, "workflow.started")
    row = world.rows.runs.pop(run)
    world.rows.done.clear()
    world.history.tenants[run] = row.snapshot.tenant
    await world.relays()
    assert (world.told, world.rows.told_upto) == ([], 1)


@in_no_time
async def test_faults_of_postgresql_are_outlived_and_nothing_is_skipped(world):
    for method in ("lease", "read", "origins", "notify"):
        world.history.faults.plan(method, TransientFault("away"))
    world.commit(world.run(), "workflow.started")
    await world.relays(8)
    assert (world.told, world.rows.told_upto) == (["1 workflow.started.v1"], 1)


@in_no_time
async def test_the_lag_is_that_of_the_first_event_and_zero_when_all_are_told(world):
    world.commit(world.run(), "workflow.started")
    world.stream.faults.plan("publish", TransientFault("away"))
    lag = "visapi_lifecycle_lag_seconds"
    await world.relays(0.06)
    assert world.metrics.registry.get_sample_value(lag) is not None
    await world.relays()
    assert world.metrics.registry.get_sample_value(lag) == 0
