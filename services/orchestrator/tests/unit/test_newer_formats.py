"""What a later release wrote in formats of its own is left to it: not ended, not guessed at, not lost."""

from uuid import UUID

import msgspec
import pytest

from kit.fakes.clocks import in_no_time
from kit.fakes.deliveries import FakeDelivery
from kit.fakes.transitions import TENANT, TransitionWorld, fates
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxBody, InboxHint, InboxKind, Outcome, TaskResult
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.effect_key import task_token
from visapi_common.core.keyrings import Keyring
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.batches import reading
from visapi_orchestrator.batches.reading import Intake
from visapi_orchestrator.kernel.rules.messages import RunMessages

CALL = "do: [{a: {call: acme.a}}]"
SECRET = b"k" * 32
RUN = UUID("0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d")


@pytest.fixture
def world() -> TransitionWorld:
    return TransitionWorld()


def as_newer(body: bytes, **members: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(body), **members, "v": 2})


def counted(metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


@in_no_time
async def test_a_run_whose_state_is_newer_stays_as_it_is_and_its_messages_come_again(world):
    run = await world.started(CALL)
    (task,) = world.asked(run)
    row = world.rows.runs[run]
    row.snapshot = msgspec.structs.replace(
        row.snapshot, state=as_newer(row.snapshot.state, frames={"": {"kind": "unheard-of"}}), revision=7
    )
    delivery = FakeDelivery()
    messages = RunMessages(run, results=[world.result(task)], has_waiting_rows=True, receipts=[delivery])
    neighbour = world.accepted("do: [{a: {set: {n: 1}}}]")

    assert await world.transitions.advance([messages, neighbour])

    assert (delivery.fate, fates([neighbour])) == (["nak 5"], [["ack"]])
    assert world.rows.runs[run].snapshot.revision == 7
    assert world.set_aside == []
    assert counted(world.metrics, "visapi_messages_stale_total", reason="newer") > 0


@in_no_time
async def test_a_run_whose_program_is_newer_is_not_faulted(world):
    messages = world.accepted(CALL)
    program = messages.trigger.program
    body = world.engine.programs[program]
    world.engine.programs[program] = as_newer(body)

    assert await world.transitions.advance([messages])
    assert fates([messages]) == [["nak 5"]]
    assert world.rows.runs[messages.run].snapshot.status is RunStatus.PENDING

    # A replica that reads it finds the run where it was.
    world.engine.programs[program] = body
    again = RunMessages(messages.run, trigger=messages.trigger, receipts=[FakeDelivery()])
    assert await world.transitions.advance([again])
    assert len(world.asked(messages.run)) == 1


@in_no_time
async def test_an_inbox_row_in_a_newer_format_is_left_and_later_read(world):
    run = await world.started(CALL)
    body = msgspec.json.encode(InboxBody(actor="key:1"))
    world.rows.put_inbox(run, "k", TENANT, InboxKind.CANCEL.value, as_newer(body))

    assert await world.transitions.advance([RunMessages(run, has_waiting_rows=True)])
    assert (run, "k") in world.rows.inbox
    assert run in world.rows.runs

    world.rows.inbox[run, "k"].body = body
    assert await world.transitions.advance([RunMessages(run, has_waiting_rows=True)])
    assert world.rows.done[run].snapshot.run == run


@in_no_time
async def test_an_event_may_hold_a_v_of_its_own(world):
    run = await world.started("do: [{a: {listen: {to: {one: {with: {type: paid}}}}}}]")
    event = {"specversion": "1.0", "id": "1", "source": "urn:x", "type": "paid", "v": 9}
    world.rows.put_inbox(run, "e", TENANT, InboxKind.EVENT.value, msgspec.json.encode(event))
    assert await world.transitions.advance([RunMessages(run, has_waiting_rows=True)])
    assert run in world.rows.done


class Lane:
    """An intake, and what it reported."""

    def __init__(self) -> None:
        self.metrics = open_metrics()
        self.unreadable: list[str] = []
        self.intake = Intake(
            keys=Keyring.of(SECRET),
            metrics=self.metrics,
            beat=lambda _: None,
            unreadable=lambda _subject, _data, reason: self.unreadable.append(reason),
        )

    def read(self, *deliveries: FakeDelivery) -> list[RunMessages]:
        return self.intake.read(deliveries)


def result(*, deliveries: int = 1, token: str | None = None) -> FakeDelivery:
    told = task_token(SECRET, RUN, "/do/0/a", 1) if token is None else token
    body = msgspec.json.encode(TaskResult(RUN, "/do/0/a", 1, told, Outcome.COMPLETED))
    return FakeDelivery(subjects.result(RUN), as_newer(body, outcome="unheard-of"), deliveries=deliveries)


def test_a_result_in_a_newer_format_goes_back_and_faults_nothing():
    lane, delivery = Lane(), result()
    assert lane.read(delivery) == []
    assert (delivery.fate, lane.unreadable) == (["nak 5"], [])
    assert counted(lane.metrics, "visapi_messages_stale_total", reason="newer") == 1


def test_a_result_that_no_newer_replica_took_for_long_faults_its_task():
    lane, delivery = Lane(), result(deliveries=reading.NEWER_DELIVERIES_MAX)
    (messages,) = lane.read(delivery)
    assert [one.outcome for one in messages.results] == [Outcome.FAULTED]


def test_a_result_that_only_claims_to_be_newer_is_unreadable():
    lane, delivery = Lane(), result(token="00")
    assert lane.read(delivery) == []
    assert delivery.fate == ["term unreadable"]
    assert len(lane.unreadable) == 1


def test_results_that_wait_for_newer_replicas_are_bounded():
    lane = Lane()
    flood = [result() for _ in range(reading.NEWER_AT_ONCE + 1)]
    assert lane.read(*flood) == []
    assert [each.fate for each in flood] == [["nak 5"]] * reading.NEWER_AT_ONCE + [["term newer"]]


def test_a_hint_in_a_newer_format_is_dropped_because_the_ledger_has_the_row():
    lane = Lane()
    hint = FakeDelivery(subjects.inbox(RUN), as_newer(msgspec.json.encode(InboxHint(RUN)), run=1))
    assert lane.read(hint) == []
    assert (hint.fate, lane.unreadable) == (["term newer"], [])
