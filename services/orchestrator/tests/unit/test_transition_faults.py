"""Transitions that fail: for PostgreSQL, for NATS, for another orchestrator, for what one run contains."""

import msgspec

from kit.fakes.clocks import in_no_time
from kit.fakes.deliveries import FakeDelivery
from kit.fakes.transitions import TransitionWorld, fates
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.errors import OperatorFault, TransientFault, UnknownFault
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.protocol import ROUNDS
from visapi_orchestrator.transitions.rules.child_limits import ChildVerdict

SET = "do: [{a: {set: {n: '${ .n + 1 }'}}}]"
CALL = "do: [{a: {call: acme.a, with: {n: '${ .n }'}}}]"
TWO = "do: [{a: {call: acme.a}}, {b: {call: acme.b}}]"
WAIT = "do: [{a: {wait: {seconds: 5}}}]"


class TestAFault:
    """PostgreSQL, NATS or the artifact store fail: nothing is acknowledged, nothing is charged to a run."""

    @in_no_time
    async def test_while_reading_hands_the_batch_back(self):
        world = TransitionWorld()
        run = await world.started(WAIT)
        world.ledger.faults.plan("load", TransientFault("away"))
        messages = RunMessages(run, has_waiting_rows=True, receipts=[FakeDelivery()])
        assert not await world.transitions.advance([messages])
        assert fates([messages]) == [["nak 1"]]
        assert run in world.rows.runs

    @in_no_time
    async def test_while_writing_hands_the_batch_back_and_publishes_nothing(self):
        world = TransitionWorld()
        batch = [world.accepted(CALL, {"n": n}) for n in range(3)]
        world.ledger.faults.plan("write", TransientFault("away"))
        assert not await world.transitions.advance(batch)
        assert (fates(batch), world.nats.published) == ([["nak 1"]] * 3, [])

    @in_no_time
    async def test_of_the_operator_faults_no_run(self):
        world = TransitionWorld()
        messages = world.accepted(CALL, {"n": 1})
        world.ledger.faults.plan("write", OperatorFault("53100: the disk is full", sort="53"))
        assert not await world.transitions.advance([messages])
        assert (messages.run in world.rows.runs, world.set_aside) == (True, [])

    @in_no_time
    async def test_of_the_artifact_store_leaves_the_run_as_it_was(self):
        world = TransitionWorld()
        messages = world.accepted("do: [{a: {set: {t: '${ .t * 100 }'}}}]", {"t": "x" * 1000})
        world.payloads.faults.plan("pack", TransientFault("away"))
        assert not await world.transitions.advance([messages])
        assert world.rows.runs[messages.run].snapshot.revision == 0
        assert await world.transitions.advance([messages])
        assert messages.run in world.rows.done

    @in_no_time
    async def test_of_nats_loses_nothing_as_the_rows_are_committed(self):
        world = TransitionWorld()
        world.nats.connected = False
        messages = world.accepted(CALL, {"n": 1})
        assert await world.transitions.advance([messages])
        assert fates([messages]) == [["ack"]]
        assert len(world.asked(messages.run)) == 1


class TestTheAnswerToACommitThatIsLost:
    @in_no_time
    async def test_is_found_in_the_ledger_when_the_commit_happened(self):
        world = TransitionWorld()
        world.ledger.answers_lost = 1
        messages = world.accepted(CALL, {"n": 1})
        assert await world.transitions.advance([messages])
        assert (len(world.ledger.writes), len(world.nats.tasks())) == (1, 1)
        assert fates([messages]) == [["ack"]]

    @in_no_time
    async def test_of_a_run_that_ended_is_found_as_well(self):
        world = TransitionWorld()
        world.ledger.answers_lost = 1
        messages = world.accepted(SET, {"n": 1})
        assert await world.transitions.advance([messages])
        assert (len(world.ledger.writes), fates([messages])) == (1, [["ack"]])

    @in_no_time
    async def test_is_written_again_when_it_did_not_happen(self):
        world = TransitionWorld()
        world.ledger.faults.plan("write", UnknownFault("the connection was lost during COMMIT"))
        messages = world.accepted(CALL, {"n": 1})
        assert await world.transitions.advance([messages])
        assert (len(world.ledger.writes), len(world.nats.tasks())) == (1, 1)


class TestTheCompareAndSet:
    @in_no_time
    async def test_that_fails_folds_the_run_again_on_what_the_ledger_has(self):
        world = TransitionWorld()
        run = await world.started(TWO)
        (first,) = world.asked(run)
        # Another orchestrator was first: it has written the same result.
        memory = world.rows.runs[run].snapshot
        await world.transitions.advance([world.answered(first)])
        assert world.rows.runs[run].snapshot.revision == memory.revision + 1
        published = len(world.nats.tasks())
        late = world.answered(first)
        assert await world.transitions.advance([late])
        assert (len(world.nats.tasks()), fates([late])) == (published, [["ack"]])

    @in_no_time
    async def test_that_fails_for_a_stale_trigger_reads_the_run(self):
        world = TransitionWorld()
        messages = world.accepted(CALL, {"n": 1})
        await world.transitions.advance([messages])
        again = RunMessages(messages.run, trigger=messages.trigger, receipts=[FakeDelivery()])
        assert await world.transitions.advance([again])
        assert fates([again]) == [["ack"]]
        assert len(world.nats.tasks()) == 1
        assert world.history(messages.run).count("workflow.started") == 1
        assert world.metrics.registry.get_sample_value("visapi_cas_conflicts_total") == 1

    @in_no_time
    async def test_that_never_holds_hands_the_run_back_after_some_rounds(self):
        world = TransitionWorld()
        messages = world.accepted(CALL, {"n": 1})
        world.ledger.child_verdict = ChildVerdict(cancelled_parents={messages.run})
        assert await world.transitions.advance([messages])
        assert (len(world.ledger.writes), fates([messages])) == (ROUNDS, [["nak 1"]])


class TestContents:
    """What one run contains costs that run only."""

    @in_no_time
    async def test_that_postgresql_refuses_fault_their_run_and_no_neighbour(self):
        world = TransitionWorld()
        batch = [world.accepted(CALL, {"n": n}) for n in range(5)]
        bad = batch[2].run
        world.ledger.refuses = lambda rows: any(row.run == bad for row in rows.live)
        assert await world.transitions.advance(batch)
        assert fates(batch) == [["ack"]] * 5
        assert (world.error(bad)["title"], list(world.rows.done)) == ("Not storable", [bad])
        assert "22P05" in world.error(bad)["detail"]
        assert len(world.nats.tasks()) == 4

    @in_no_time
    async def test_that_cannot_be_ended_either_are_set_aside(self):
        world = TransitionWorld()
        messages = world.accepted(CALL, {"n": 1})
        world.ledger.refuses = lambda rows: True
        await world.transitions.advance([messages])
        (letter,) = world.set_aside
        assert (letter.kind, letter.reason, letter.run) == ("run", "broken-run", messages.run)
        assert fates([messages]) == [["nak 60"]]
        assert messages.run in world.rows.runs

    @in_no_time
    async def test_whose_state_is_garbage_fault_their_run_and_no_neighbour(self):
        world = TransitionWorld()
        runs = [await world.started(WAIT) for _ in range(3)]
        row = world.rows.runs[runs[1]]
        row.snapshot = msgspec.structs.replace(row.snapshot, state=b"\xff")
        batch = [world.tell(run, "suspend") for run in runs]
        await world.transitions.advance(batch)
        others = [world.rows.runs[run].snapshot.status for run in (runs[0], runs[2])]
        assert others == [RunStatus.SUSPENDED] * 2
        assert (runs[1] in world.rows.done, [letter.run for letter in world.set_aside]) == (False, [runs[1]])

    @in_no_time
    async def test_that_are_not_there_any_more_fault_their_run(self):
        world = TransitionWorld()
        messages = world.accepted(SET, {"n": 1})
        lost = await world.payloads.pack("default", b'"%b"' % (b"x" * 70_000))
        world.payloads.objects.clear()
        assert messages.trigger is not None
        trigger = msgspec.structs.replace(messages.trigger, input=lost)
        assert await world.transitions.advance([RunMessages(messages.run, trigger=trigger)])
        assert world.error(messages.run)["title"] == "Unreadable input"

    @in_no_time
    async def test_that_fill_the_history_end_the_run(self):
        world = TransitionWorld(history_max=4)
        run = await world.started(TWO)
        (first,) = world.asked(run)
        await world.transitions.advance([world.answered(first)])
        (second,) = world.asked(run)
        await world.transitions.advance([world.answered(second)])
        assert world.error(run)["title"] == "History too long"
