"""What is published after a commit; nothing of it is a promise, so nothing of it undoes one."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from kit.fakes.nats import FakeNats
from kit.fakes.rows import FakeRows
from kit.fakes.snapshots import pending
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxHint, InboxKind, LiveUpdate, Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.contracts.runs import RunStatus
from visapi_common.contracts.task_messages import DeadLetter
from visapi_common.core.errors import PermanentFault
from visapi_common.telemetry.setup import open_metrics
from visapi_engine.machine.commands import DropTask
from visapi_engine.process.protocol import Answer
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.tasks.outbox import CancelledTask, Outbox
from visapi_orchestrator.transitions.rules.ledger_answers import WrittenDeadLetter
from visapi_orchestrator.transitions.rules.outgoing_tasks import Outgoing
from visapi_orchestrator.transitions.rules.related_writes import Child, InboxMessage, RelatedWrites
from visapi_orchestrator.transitions.rules.step import Step


class World:
    def __init__(self) -> None:
        self.nats, self.metrics = FakeNats(FakeRows()), open_metrics()
        self.outbox = Outbox(self.nats, self.metrics)

    def counted(self, metric: str, /, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(metric, labels) or 0.0


@pytest.fixture
def world() -> World:
    return World()


def step(*, seq: int = 0, commands: list[Any] | None = None, **more: Any) -> Step:
    """A transition of a run whose history was empty."""
    snapshot = pending()
    answer = Answer(
        run=snapshot.run,
        status=RunStatus.RUNNING,
        state=b"{}",
        first_seq=1,
        seq=seq,
        commands=commands or [],
    )
    return Step(RunMessages(snapshot.run), snapshot, [], answer, **more)


def task(path: str = "/do/0/a", **more: Any) -> Outgoing:
    subject = subjects.task("default", "acme.a")
    return Outgoing(path, 2, "acme.a", "ab" * 32, "cd" * 32, subject, b"{}", **more)


def test_a_task_carries_what_a_worker_needs_before_it_reads_the_body(world):
    one = step(tasks=[task("/do/0/größe")], trace="00-trace")
    world.outbox.announce(one)
    (sent,) = world.nats.tasks()
    assert (sent.subject, sent.body) == ("visapi.tasks.default.acme.a", b"{}")
    assert sent.headers == {
        "Nats-Msg-Id": f"{one.snapshot.run}:{'cd' * 8}:0",
        "Visapi-Run": str(one.snapshot.run),
        "Visapi-Task": "/do/0/gr%C3%B6%C3%9Fe",
        "Visapi-Attempt": "2",
        "Visapi-Effect-Key": "ab" * 32,
        "traceparent": "00-trace",
    }
    assert world.counted("visapi_tasks_published_total", function="own") == 1


def test_a_task_that_is_held_back_is_not_published(world):
    world.outbox.announce(step(tasks=[task(held=True), task("/do/1/b")]))
    assert [sent.headers["Visapi-Task"] for sent in world.nats.tasks()] == ["/do/1/b"]


def test_followers_hear_of_new_history_and_of_nothing_else(world):
    quiet, loud = step(), step(seq=3)
    world.outbox.announce(quiet)
    assert world.nats.published == []
    world.outbox.announce(loud)
    (sent,) = world.nats.published
    assert sent.subject == subjects.live("default", loud.snapshot.run)
    update = msgspec.json.decode(sent.body, type=LiveUpdate)
    assert (update.run, update.seq, update.status) == (loud.snapshot.run, 3, "running")


def test_a_worker_hears_of_a_task_that_is_cancelled_and_not_of_one_that_ended(world):
    one = step(commands=[DropTask("/do/0/a", cancelled=True), DropTask("/do/1/b")])
    world.outbox.announce(one)
    (sent,) = world.nats.on(subjects.CONTROL_CANCELLED)
    cancelled = msgspec.json.decode(sent.body, type=CancelledTask)
    assert (cancelled.run, cancelled.path) == (str(one.snapshot.run), "/do/0/a")


def test_a_child_run_has_its_trigger_published_and_a_told_run_its_hint(world):
    child, parent = uuid4(), uuid4()
    related = RelatedWrites(
        children=[Child(child, WorkflowRef("n", "c", "2.0.0"), "11", NULL, "/do/0/sub", "00-trace", 1)],
        inbox_rows=[InboxMessage(parent, "child:1", InboxKind.CHILD, b"{}")],
    )
    one = step(related=related)
    world.outbox.announce(one)
    trigger, hint = world.nats.published
    assert (trigger.subject, trigger.headers) == (
        subjects.trigger(child),
        {"Nats-Msg-Id": str(child), "traceparent": "00-trace"},
    )
    sent = msgspec.json.decode(trigger.body, type=Trigger)
    assert (sent.run, sent.parent, sent.parent_path) == (child, one.snapshot.run, "/do/0/sub")
    assert (hint.subject, msgspec.json.decode(hint.body, type=InboxHint).run) == (
        subjects.inbox(parent),
        parent,
    )


def test_without_a_connection_everything_is_left_to_the_sweep(world):
    world.nats.connected = False
    world.outbox.announce(step(seq=3, tasks=[task()]))
    assert world.nats.published == []


def test_what_cannot_be_sent_stops_no_neighbour(world):
    world.nats.faults.plan("publish", PermanentFault("a message of 2 MB"))
    bad, good = step(seq=1), step(seq=1)
    for one in (bad, good):
        world.outbox.announce(one)
    assert [sent.subject for sent in world.nats.published] == [subjects.live("default", good.snapshot.run)]


class TestDeadLetters:
    def letter(self, run: UUID, path: str = "/do/0/a") -> WrittenDeadLetter:
        return WrittenDeadLetter(run, path, 1, "uncertain")

    def test_are_announced_with_their_tenant_under_an_id_of_their_own(self, world):
        one = step()
        world.outbox.dead_letters([self.letter(one.snapshot.run)], [one])
        (sent,) = world.nats.published
        assert sent.subject == subjects.dead_letter("orchestrator", "uncertain")
        assert sent.headers == {"Nats-Msg-Id": f"{one.snapshot.run}:/do/0/a:1:uncertain"}
        body = msgspec.json.decode(sent.body, type=DeadLetter)
        assert (body.tenant, body.run, body.path) == ("default", one.snapshot.run, "/do/0/a")
        assert world.counted("visapi_dead_letters_total", reason="uncertain") == 1

    def test_are_counted_though_nobody_can_be_told(self, world):
        one = step()
        world.nats.connected = False
        world.outbox.dead_letters([self.letter(one.snapshot.run), self.letter(one.snapshot.run, "/b")], [one])
        assert world.counted("visapi_dead_letters_total", reason="uncertain") == 2
