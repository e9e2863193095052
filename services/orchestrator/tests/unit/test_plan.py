"""From answers to rows, without any server."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import (
    ApprovalDecided,
    InboxKind,
    Outcome,
    TaskResult,
    WorkflowRef,
)
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.runs import RunStatus
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.approvals import decision_key
from visapi_common.core.effect_key import effect_key, task_token
from visapi_common.core.keyrings import Keyring
from visapi_engine.machine.commands import CallTask, CloseApproval, DropTask, DropTimer, HoldTask, SetTimer
from visapi_engine.machine.events import TaskUncertain, TimerFired
from visapi_engine.process.protocol import Answer
from visapi_orchestrator.kernel.rules.messages import DueTimer, RunMessages, group
from visapi_orchestrator.transitions.dependencies import RunKeys
from visapi_orchestrator.transitions.relations.dead_letters import ResolvedDeadLetter
from visapi_orchestrator.transitions.relations.inbox import InboxKey
from visapi_orchestrator.transitions.relations.runs import LiveRun
from visapi_orchestrator.transitions.relations.timers import NewTimer, TimerKey
from visapi_orchestrator.transitions.rules.machine_events import events_of
from visapi_orchestrator.transitions.rules.outgoing_tasks import task_of
from visapi_orchestrator.transitions.rules.plan import plan
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import InboxRow, RunSnapshot
from visapi_orchestrator.transitions.rules.step import Step

SECRET = b"s" * 32
KEYS = RunKeys(effects=Keyring.of(SECRET), handles=Keyring.of(SECRET))
RUN = UUID("01930000-0000-7000-8000-000000000001")
OTHER = UUID("01930000-0000-7000-8000-000000000002")


def snapshot(run: UUID = RUN, **changes: Any) -> RunSnapshot:
    known = RunSnapshot(
        run=run,
        tenant="default",
        workflow=WorkflowRef("test", "flow", "1.0.0"),
        program="00" * 32,
        status=RunStatus.RUNNING,
        revision=3,
        seq=7,
        state=b"{}",
        trace=None,
        priority=5,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return msgspec.structs.replace(known, **changes)


def answer(run: UUID = RUN, **changes: Any) -> Answer:
    plain = Answer(run=run, status=RunStatus.RUNNING, state=b"{1}", first_seq=8, seq=7)
    return msgspec.structs.replace(plain, **changes)


def step(
    *, messages: RunMessages | None = None, known: RunSnapshot | None = None, given: Answer | None = None
) -> Step:
    known = known or snapshot()
    return Step(messages or RunMessages(known.run), known, [], given or answer(known.run))


def test_a_run_that_goes_on_is_updated_at_the_revision_it_was_read_at():
    rows = plan([step()], record=False)
    assert rows.live == [LiveRun(RUN, 3, "running", 7, b"{1}")]
    assert (rows.ended, rows.history) == ([], [])


def test_an_ended_run_leaves_live_and_asks_for_no_single_deletions():
    given = answer(ended=True, status=RunStatus.COMPLETED, commands=[DropTask("/do/0/a"), DropTimer("t")])
    rows = plan([step(given=given)], record=False)
    assert [end.status for end in rows.ended] == ["completed"]
    assert (rows.live, rows.removed_tasks, rows.removed_timers) == ([], [], [])


def test_rows_are_in_the_order_of_run_ids_whatever_the_order_of_messages():
    rows = plan([step(known=snapshot(OTHER)), step()], record=False)
    assert [row.run for row in rows.live] == [RUN, OTHER]


def test_history_is_written_only_when_there_is_some():
    rows = plan([step(given=answer(seq=9))], record=False)
    assert [(row.first_seq, row.last_seq) for row in rows.history] == [(8, 9)]


def test_a_consumed_timer_is_removed_unless_it_was_set_again():
    messages = RunMessages(RUN, timers=[DueTimer("old", 1), DueTimer("again", 1)])
    rows = plan([step(messages=messages, given=answer(commands=[SetTimer("again", 99)]))], record=False)
    assert rows.removed_timers == [TimerKey(RUN, "old")]
    assert rows.new_timers == [NewTimer(RUN, "again", 99)]


def test_a_timer_that_the_machine_drops_is_named_once():
    messages = RunMessages(RUN, timers=[DueTimer("t", 1)])
    rows = plan([step(messages=messages, given=answer(commands=[DropTimer("t")]))], record=False)
    assert rows.removed_timers == [TimerKey(RUN, "t")]


def test_consumed_inbox_rows_are_removed_with_the_transition():
    known = snapshot(inbox=(InboxRow("k1", InboxKind.CANCEL, b'{"actor":"a"}'),))
    rows = plan([step(known=known)], record=False)
    assert (rows.consumed_inbox, rows.has_rest) == ([InboxKey(RUN, "k1")], True)


def test_a_held_task_becomes_a_dead_letter():
    given = answer(commands=[HoldTask("/do/0/a", 2, "notify.email", "lease over")])
    (letter,) = plan([step(given=given)], record=False).dead_letters
    assert (letter.reason, letter.path, letter.attempt, letter.held) == ("uncertain", "/do/0/a", 2, True)


def test_a_poisonous_task_becomes_a_dead_letter():
    error = standard_error("runtime", 500, title="Poison task", detail="delivered 6 times")
    result = TaskResult(RUN, "/do/0/a", 1, "t", Outcome.FAULTED, error=error)
    (letter,) = plan([step(messages=RunMessages(RUN, results=[result]))], record=False).dead_letters
    assert (letter.reason, letter.held) == ("poison", False)


def test_a_run_that_ended_its_engine_twice_becomes_a_dead_letter():
    given = answer(ok=False, killed="deadline", ended=True, status=RunStatus.FAULTED)
    (letter,) = plan([step(given=given)], record=False).dead_letters
    assert letter.reason == "engine-killed"


def test_a_decision_closes_the_dead_letter_of_its_task():
    body = b'{"actor":"ann","path":"/do/0/a","decision":"retry"}'
    known = snapshot(inbox=(InboxRow("k", InboxKind.RESOLVE, body),))
    rows = plan([step(known=known)], record=False)
    assert rows.resolved_letters == [ResolvedDeadLetter(RUN, "/do/0/a", "ann", "retry")]


def test_nothing_changed_is_seen():
    same = answer(state=b"{}")
    assert not step(given=same).changes
    assert step(given=answer(seq=8, state=b"{}")).changes
    assert step(messages=RunMessages(RUN, timers=[DueTimer("t", 1)]), given=same).changes


def test_results_come_before_timers_of_the_same_batch():
    result = TaskResult(RUN, "/do/0/a", 1, "t", Outcome.UNCERTAIN)
    messages = RunMessages(RUN, results=[result], timers=[DueTimer("t", 1)])
    assert [type(event) for event in events_of(messages, snapshot(), {}, 5)] == [TaskUncertain, TimerFired]


def test_what_is_said_to_one_run_is_folded_in_order():
    results = [TaskResult(RUN, f"/do/{n}/a", 1, "t", Outcome.COMPLETED) for n in range(3)]
    messages = group(
        [
            RunMessages(RUN, results=results[:1]),
            RunMessages(OTHER, has_waiting_rows=True),
            RunMessages(RUN, results=results[1:]),
        ]
    )
    assert list(messages) == [RUN, OTHER]
    assert messages[RUN].results == results
    assert messages[RUN].count == 3


def test_a_tasks_effect_key_ignores_the_attempt_and_its_token_does_not():
    calls = [CallTask("/do/0/a", n, "acme.echo", "a", "/do/0/a", b"{}") for n in (1, 2)]
    first, second = (task_of(call, inline(b"{}"), snapshot(), KEYS, None) for call in calls)
    assert first.effect_key == second.effect_key == effect_key(SECRET, RUN, "/do/0/a")
    assert first.token != second.token == task_token(SECRET, RUN, "/do/0/a", 2)


def test_a_tasks_message_says_where_to_answer_and_what_the_deadline_is():
    call = CallTask("/do/0/a", 1, "pdf.render", "a", "/do/0/a", b'{"html":""}', deadline_ms=1_000)
    made = task_of(call, inline(call.arguments), snapshot(), KEYS, "00-aa-bb-01")
    message = msgspec.json.decode(made.body, type=TaskMessage)
    assert made.subject == "visapi.tasks._.pdf.render"
    assert message.reply == "visapi.engine.1.result"
    assert message.deadline == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert message.trace == "00-aa-bb-01"


def decided(approval: UUID = OTHER) -> InboxRow:
    body = ApprovalDecided("/do/0/ask", approval, "approve", "link")
    return InboxRow(decision_key(approval), InboxKind.APPROVAL, msgspec.json.encode(body))


def kinds(*inbox: InboxRow) -> list[str]:
    """What the machine hears of a batch with these rows, a result and a timer, in order."""
    messages = RunMessages(RUN, results=[TaskResult(RUN, "/do/1/b", 1, "t", Outcome.COMPLETED)])
    messages.timers.append(DueTimer("/do/0/ask#deadline", 1000))
    return [type(event).__name__ for event in events_of(messages, snapshot(inbox=inbox), {}, 5)]


def test_a_decision_of_people_comes_before_everything_that_might_close_its_question():
    body = b'{"actor":"ann"}'
    cancel, resume = InboxRow("c", InboxKind.CANCEL, body), InboxRow("r", InboxKind.RESUME, body)
    for earlier, name in ((cancel, "CancelRequested"), (resume, "ResumeRequested")):
        assert kinds(earlier, decided()) == ["Decided", "TaskCompleted", name, "TimerFired"]


def test_a_run_that_was_suspended_before_hears_of_a_decision_as_a_suspended_run():
    body = b'{"actor":"ann"}'
    suspend, resume = InboxRow("s", InboxKind.SUSPEND, body), InboxRow("r", InboxKind.RESUME, body)
    order = ["SuspendRequested", "Decided", "TaskCompleted", "ResumeRequested", "TimerFired"]
    assert kinds(suspend, decided(), resume) == order
    assert kinds(decided(), suspend)[:1] == ["Decided"]


def test_who_closes_a_question_says_which_decisions_it_knows_of():
    close = CloseApproval(str(OTHER), "cancelled", 5)
    known = [step(), step(known=snapshot(inbox=(decided(),)))]
    for one in known:
        one.related = RelatedWrites(closing=[close])
    rows = plan(known, record=False)
    assert rows.unread_decisions == [InboxKey(RUN, decision_key(OTHER))]
