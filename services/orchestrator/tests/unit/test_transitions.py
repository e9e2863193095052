"""The delivery protocol: what is written, in which order it is published and acknowledged, and what is handed back."""

from uuid import uuid4

import pytest

from kit.fakes.clocks import NOON_MS, in_no_time
from kit.fakes.deliveries import FakeDelivery
from kit.fakes.transitions import TransitionWorld, fates
from visapi_common.contracts import subjects
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.errors import TransientFault
from visapi_orchestrator.kernel.rules.messages import DueTimer, RunMessages
from visapi_orchestrator.transitions.rules.flow import FlowDecision

SET = "do: [{a: {set: {n: '${ .n + 1 }'}}}]"
CALL = "do: [{a: {call: acme.a, with: {n: '${ .n }'}}}]"
TWO = "do: [{a: {call: acme.a}}, {b: {call: acme.b}}]"
WAIT = "do: [{a: {wait: {seconds: 5}}}]"
LISTEN = "do: [{a: {listen: {to: {one: {with: {type: paid}}}}}}]"
EMIT = "do: [{a: {emit: {event: {with: {source: 'urn:x', type: paid}}}}}]"


@pytest.fixture
def world() -> TransitionWorld:
    return TransitionWorld()


@in_no_time
async def test_a_run_without_tasks_ends_in_one_transition_and_its_trigger_is_acknowledged(world):
    messages = world.accepted(SET, {"n": 1})
    assert await world.transitions.advance([messages])
    assert world.output(messages.run) == {"n": 2}
    assert world.history(messages.run)[-1] == "workflow.completed"
    assert fates([messages]) == [["ack"]]


@in_no_time
async def test_a_new_run_is_not_read_its_trigger_describes_it(world):
    world.ledger.faults.plan("load", TransientFault("the ledger was read"))
    messages = world.accepted(SET, {"n": 1})
    assert await world.transitions.advance([messages])
    assert messages.run in world.rows.done


@in_no_time
async def test_a_task_is_published_after_its_row_is_committed(world):
    run = await world.started(CALL, {"n": 7})
    (task,) = world.asked(run)
    (sent,) = world.nats.tasks()
    assert sent.subject == subjects.task("default", "acme.a")
    assert sent.headers["Visapi-Effect-Key"] == task.effect_key
    assert sent.body == world.rows.tasks[run, task.path].message


@in_no_time
async def test_a_task_that_may_not_be_sent_at_once_is_committed_held_and_not_published(world):
    world.held.add("acme.a")
    run = await world.started(CALL, {"n": 7})
    assert world.nats.tasks() == []
    assert [row.sent_ms for row in world.rows.tasks.values()] == [None]
    assert world.asked(run)


@in_no_time
async def test_the_result_of_the_newest_task_needs_no_read_and_an_older_one_does(world):
    run = await world.started(TWO)
    (first,) = world.asked(run)
    world.ledger.faults.plan("load", TransientFault("the ledger was read"))
    messages = world.answered(first)
    assert await world.transitions.advance([messages])
    (second,) = world.asked(run)
    assert (second.path, fates([messages])) == ("/do/1/b", [["ack"]])
    late = world.answered(first)
    assert not await world.transitions.advance([late]), "the ledger is asked about it, and fails as planned"


@in_no_time
async def test_a_repeated_result_changes_nothing_and_is_acknowledged(world):
    run = await world.started(TWO)
    (first,) = world.asked(run)
    await world.transitions.advance([world.answered(first)])
    before = (world.rows.runs[run].snapshot, len(world.ledger.writes))
    late = world.answered(first, "another")
    assert await world.transitions.advance([late])
    assert (world.rows.runs[run].snapshot, len(world.ledger.writes)) == before
    assert fates([late]) == [["ack"]]


@in_no_time
async def test_messages_of_a_run_that_is_not_live_are_dropped_with_the_rows_addressed_to_it(world):
    gone = uuid4()
    world.rows.put_inbox(gone, "cancel", "default", "cancel", b"{}")
    messages = RunMessages(gone, has_waiting_rows=True, receipts=[FakeDelivery()])
    assert await world.transitions.advance([messages])
    assert fates([messages]) == [["ack"]]
    assert world.rows.inbox == {}


@in_no_time
async def test_an_inbox_row_is_consumed_by_the_transition_that_reads_it(world):
    run = await world.started(CALL, {"n": 1})
    messages = world.tell(run, "cancel")
    assert await world.transitions.advance([messages])
    assert world.rows.done[run].end.status == RunStatus.CANCELLED
    assert (world.rows.inbox, world.rows.tasks) == ({}, {})
    assert [one.subject for one in world.nats.on(subjects.CONTROL_CANCELLED)] == [subjects.CONTROL_CANCELLED]


@in_no_time
async def test_a_timer_is_a_row_and_its_loop_hears_of_the_earliest(world):
    run = await world.started(WAIT)
    ((owner, name), timer) = next(iter(world.rows.timers.items()))
    assert (owner, timer.fire_ms) == (run, NOON_MS + 5000)
    assert ("timer", NOON_MS + 5000) in world.heard
    fired = RunMessages(run, timers=[DueTimer(name, timer.fire_ms)])
    assert await world.transitions.advance([fired])
    assert (run in world.rows.done, world.rows.timers) == (True, {})


@in_no_time
async def test_after_a_commit_the_loops_hear_of_history_and_of_emitted_events(world):
    await world.started(EMIT)
    assert [what for what, _ in world.heard] == ["emitted", "history"]


@in_no_time
async def test_a_subscription_is_committed_with_its_transition(world):
    run = await world.started(LISTEN)
    assert [(one.run, one.shape) for one in world.rows.subscriptions] == [(run, "type")]
    assert world.rows.runs[run].snapshot.status is RunStatus.WAITING


class TestFlowControl:
    @in_no_time
    async def test_a_run_that_waits_is_not_written_and_its_trigger_is_acknowledged(self):
        world = TransitionWorld()
        messages = world.accepted(CALL, {"n": 1})
        world.ledger.verdict = FlowDecision(waiting=frozenset({messages.run}))
        assert await world.transitions.advance([messages])
        assert (world.rows.runs[messages.run].snapshot.revision, fates([messages])) == (0, [["ack"]])
        assert world.nats.tasks() == []

    @in_no_time
    async def test_runs_that_a_commit_admits_are_woken(self):
        world = TransitionWorld()
        other = uuid4()
        world.ledger.verdict = FlowDecision(awake=frozenset({other}))
        await world.started(SET, {"n": 1})
        assert ("woken", [other]) in world.heard


@in_no_time
async def test_a_slow_run_is_put_off_and_holds_up_no_neighbour(world):
    batch = [world.accepted(CALL, {"n": n}) for n in range(3)]
    slow, (delivery,) = batch[1], batch[1].receipts
    world.engine.slow.add(slow.run)
    freed: list[RunMessages] = []
    assert await world.transitions.advance(batch, freed.extend)
    assert slow.run in world.slow_runs
    assert len(world.nats.tasks()) == 2
    # Its run is pending in the ledger, where the sweep finds it should this process die.
    assert (delivery.fate, slow.run in world.rows.runs) == (["ack"], True)
    assert await world.transitions.advance(world.slow_runs.take(), apart=True)
    assert len(world.nats.tasks()) == 3


@in_no_time
async def test_a_result_for_a_slow_run_is_kept_until_it_is_written(world):
    run = await world.started(TWO)
    (first,) = world.asked(run)
    world.engine.slow.add(run)
    messages = world.answered(first)
    assert await world.transitions.advance([messages])
    assert fates([messages]) == [[]]
    assert await world.transitions.advance(world.slow_runs.take(), apart=True)
    assert fates([messages]) == [["ack"]]


@in_no_time
async def test_inputs_are_recorded_where_a_setting_asks():
    for asked in (False, True):
        world = TransitionWorld(record_inputs=asked)
        await world.started(CALL, {"n": 1})
        assert [len(rows.recorded_inputs) for rows in world.ledger.writes] == [int(asked)]
