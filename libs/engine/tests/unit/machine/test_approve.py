"""`call: human.approve`: questions to people."""

from typing import Any
from uuid import UUID

import msgspec

from simulation.session import RUN, Session, compiled
from visapi_common.core.approvals import ANYBODY, approval_id, link_digest, link_handle, link_key
from visapi_engine.machine.plan import make_plan
from visapi_engine.machine.state import decode_state

PATH = "/do/0/ask"
MAIL = f"{PATH}/with/notify/0/mail"
BOSS = f"{PATH}/with/escalation/notify/0/mail"

ASK = """
do:
- ask:
    call: human.approve
    with:
      title: ${ "Refund \\(.amount)?" }
      data: ${ . }
      approvers: [mia@example.com]
      notify:
      - mail: {call: acme.mail, with: {to: mia@example.com, text: '${ "Decide: \\($approval.link)" }'}}
      deadline: PT2H
      escalation:
        after: PT1H
        approvers: [boss@example.com]
        notify:
        - mail: {call: acme.mail, with: {link: '${ $approval.links["boss@example.com"] }'}}
"""


def asked(body: str = ASK) -> Session:
    run = Session(body)
    run.start({"amount": 7})
    return run


def test_the_question_is_opened_its_clocks_start_and_people_are_told() -> None:
    run = Session(ASK)
    handle = link_handle(b"", approval_id(UUID(RUN), PATH), ANYBODY)
    assert run.start({"amount": 7}) == (
        f"ask {PATH}\n"
        f"timer {PATH}#deadline at noon+7200s\n"
        f"timer {PATH}#escalate at noon+3600s\n"
        f'call {MAIL} acme.mail {{"to":"mia@example.com","text":"Decide: {handle}"}}\n'
        "the run is running"
    )
    (question,) = run.approvals.values()
    assert msgspec.json.decode(question.shown) == {
        "title": "Refund 7?",
        "text": "",
        "data": {"amount": 7},
        "choices": ["approve", "reject"],
    }
    assert question.approvers == ["", "mia@example.com", "boss@example.com"]
    assert question.expires_ms == run.now + 7_200_000


def test_once_people_are_told_the_run_waits_and_no_worker_holds_it() -> None:
    run = asked()
    assert run.complete(MAIL) == f"drop {MAIL}\nthe run is waiting"


def test_a_decision_is_the_output_with_who_when_and_why() -> None:
    run = asked()
    run.complete(MAIL)
    assert run.decide(PATH, "reject", "mia@example.com", "too much") == (
        f"untimer {PATH}#deadline\nuntimer {PATH}#escalate\nunask decided\nthe run is completed"
    )
    assert run.output == {
        "decision": "reject",
        "comment": "too much",
        "by": "mia@example.com",
        "at": "2023-11-14T22:13:20.000Z",
    }


def test_a_decision_before_everybody_is_told_calls_off_the_telling() -> None:
    run = asked()
    assert f"cancel {MAIL}\n" in run.decide(PATH, "approve")
    assert run.output["decision"] == "approve"


def test_a_second_decision_and_one_that_is_no_choice_change_nothing() -> None:
    run = asked("do: [{ask: {call: human.approve, with: {title: Go?}}}, {rest: {wait: PT1H}}]")
    assert run.decide(PATH, "perhaps") == "noted: 'perhaps' is none of the choices"
    run.decide(PATH, "approve")
    assert run.decide(PATH, "reject") == f"noted: no approval is open at {PATH}"


def test_the_deadline_faults_the_task_with_a_timeout_that_can_be_caught() -> None:
    run = asked("do: [{ask: {call: human.approve, with: {title: Go?, deadline: PT1H}}}]")
    assert "unask expired" in run.fire_next()
    assert run.error is not None
    assert (run.error.status, run.error.instance) == (408, PATH)


def test_the_deadline_may_decide() -> None:
    run = asked("do: [{ask: {call: human.approve, with: {title: Go?, deadline: PT1H, onDeadline: reject}}}]")
    run.fire_next()
    assert (run.output["decision"], run.output["by"], run.output["comment"]) == ("reject", "deadline", None)


def test_the_escalation_tells_others_whose_links_are_their_own() -> None:
    run = asked()
    run.complete(MAIL)
    handle = link_handle(b"", approval_id(UUID(RUN), PATH), "boss@example.com")
    assert run.fire_next() == (
        f'untimer {PATH}#escalate\ncall {BOSS} acme.mail {{"link":"{handle}"}}\nthe run is running'
    )
    run.complete(BOSS)
    run.decide(PATH, "approve", "boss@example.com")
    assert run.output["by"] == "boss@example.com"


def test_only_the_hash_of_a_links_key_leaves_the_machine() -> None:
    run = asked()
    (question,) = run.approvals.values()
    keys = [link_key(b"", UUID(question.approval), person) for person in question.approvers]
    assert question.keys == [link_digest(key).hex() for key in keys]
    assert run.state is not None
    assert not any(key.encode() in run.state for key in keys)


def test_people_who_cannot_be_told_fault_the_task() -> None:
    run = asked()
    assert "unask cancelled" in run.fault(MAIL)
    assert run.error is not None
    assert run.error.instance == MAIL


def test_cancelling_and_a_timeout_close_the_question() -> None:
    assert "unask cancelled" in asked().cancel()
    run = asked("do: [{ask: {timeout: {after: PT1M}, call: human.approve, with: {title: Go?}}}]")
    (question,) = run.approvals.values()
    assert question.expires_ms == run.now + 60_000
    assert "unask cancelled" in run.fire_next()


def test_a_decision_made_while_the_run_is_suspended_counts_before_the_deadline_that_came_first() -> None:
    run = asked("do: [{ask: {call: human.approve, with: {title: Go?, deadline: PT1H}}}]")
    run.suspend()
    run.fire_next()
    run.decide(PATH, "approve")
    assert run.decide(PATH, "reject").startswith("noted: the decision")
    run.resume()
    assert run.output["decision"] == "approve"


def test_a_retried_block_keeps_what_was_decided() -> None:
    run = asked(
        "do: [{all: {try: [{ask: {call: human.approve, with: {title: Go?}}}, {work: {call: acme.work}}], "
        "catch: {retry: {limit: {attempt: {count: 2}}}}}}]"
    )
    run.decide("/do/0/all/try/0/ask", "approve")
    run.fault("/do/0/all/try/1/work")
    run.complete("/do/0/all/try/1/work", "done")
    assert run.output == "done"
    assert not run.approvals


def test_a_retried_run_asks_again_with_the_whole_time_under_the_same_links() -> None:
    run = asked("do: [{ask: {call: human.approve, with: {title: Go?, deadline: PT1H}}}]")
    (first,) = run.approvals.values()
    run.fire_next()
    run.pass_time(60)
    assert f"ask {PATH}" in run.retry()
    (again,) = run.approvals.values()
    assert (again.approval, again.keys) == (first.approval, first.keys)
    assert again.expires_ms == run.now + 3_600_000
    run.decide(PATH, "approve")
    assert run.output["decision"] == "approve"


def test_a_run_taken_up_under_a_version_without_escalation_tells_nobody_else() -> None:
    run = asked()
    run.fault(MAIL)
    run.plan = make_plan(compiled(ASK.partition("      escalation:")[0]).program)
    assert f"ask {PATH}" in run.retry()
    run.complete(MAIL)
    assert run.fire_next() == f"untimer {PATH}#escalate\nthe run is waiting"
    run.decide(PATH, "approve", "mia@example.com")
    assert run.output["decision"] == "approve"


def test_each_round_of_a_loop_asks_a_question_of_its_own() -> None:
    run = Session(
        "do: [{all: {for: {in: '${ .people }'}, do: [{ask: {call: human.approve, with: {title: '${ $item }'}}}]}}]"
    )
    run.start({"people": ["Mia", "Tom"]})
    first = set(run.approvals)
    run.decide("/do/0/all/do/0/ask", "approve")
    assert run.approvals
    assert first.isdisjoint(run.approvals)


def question_error(arguments: dict[str, Any]) -> str:
    """What is said of arguments that expressions gave."""
    fields = ", ".join(f"{key}: '${{ .{key} }}'" for key in arguments)
    run = Session(f"do: [{{ask: {{call: human.approve, with: {{{fields}, deadline: PT1H}}}}}}]")
    run.start(arguments)
    assert run.error is not None
    return run.error.detail or ""


def test_a_question_that_cannot_be_asked_says_why() -> None:
    assert "Expected `str`, got `int` - at `$.title`" in question_error({"title": 7})
    assert "length >= 1" in question_error({"title": "Go?", "choices": []})
    assert "alike" in question_error({"title": "Go?", "choices": ["yes", "yes"]})
    assert "must be one of fault, approve, reject" in question_error({"title": "Go?", "onDeadline": "never"})
    assert "no approver can be called 'key:7'" in question_error({"title": "Go?", "approvers": ["key:7"]})
    assert "at most 65536 bytes" in question_error({"title": "Go?", "data": "x" * 70_000})


def test_the_state_holds_the_question_once() -> None:
    run = asked()
    assert run.state is not None
    assert list(decode_state(run.state).frames)[:2] == ["", PATH]
