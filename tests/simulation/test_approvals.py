"""Random interleavings around a question to people end in exactly one outcome: what was accepted counts.

The gateway accepts the first decision while the question is open; what it accepted lies in the run's
inbox and may be heard late, twice, or while the run is suspended. The ledger lets nothing close a
question before the run has heard (`adapters/approvals.py` of the orchestrator).
"""

from collections.abc import Callable

import hypothesis.strategies as st
from hypothesis import example, given

from simulation.session import Session
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.machine import history
from visapi_engine.machine.events import Decided

PATH = "/do/0/ask"
DEADLINE = f"{PATH}#deadline"
ASK = """
do:
- ask:
    call: human.approve
    with:
      title: Go?
      approvers: [mia]
      notify: [{mail: {call: acme.mail}}]
      deadline: PT2H
      onDeadline: reject
      escalation: {after: PT1H, approvers: [boss], notify: [{mail: {call: acme.mail}}]}
"""
STATES = {"decided": "decided", "deadline": "expired", "untold": "cancelled", "cancelled": "cancelled"}
ENDS = {
    "decided": history.WORKFLOW_COMPLETED,
    "deadline": history.WORKFLOW_COMPLETED,
    "untold": history.WORKFLOW_FAULTED,
    "cancelled": history.WORKFLOW_CANCELLED,
}


class Question:
    """A run that asks, its gateway, and the sequential reading of what happened to it."""

    def __init__(self) -> None:
        self.run = Session(ASK)
        self.run.start()
        (self.asked,) = self.run.approvals.values()
        self.accepted: Decided | None = None
        self.outcome: str | None = None
        self.suspended = False
        self.kept: list[str] = []

    # ---- what may happen

    def decide(self, decision: str, by: str) -> None:
        """Only the first is accepted, before the deadline, while the question is open."""
        assert self.asked.expires_ms is not None
        if self.run.approvals and self.accepted is None and self.run.now < self.asked.expires_ms:
            self.accepted = Decided(self.run.now, PATH, self.asked.approval, decision, by)

    def hear(self) -> None:
        if self.accepted is not None:
            self.run.tell(self.accepted)
            self._closes("decided")

    def fire(self) -> None:
        for timer, due in sorted(self.run.timers.items(), key=lambda item: item[1]):
            if due <= self.run.now:
                self._fire(timer)

    def fire_again(self) -> None:
        """A timer that was fired by somebody else meanwhile."""
        if DEADLINE not in self.run.timers:
            self.run.fire(DEADLINE)

    def tell_people(self) -> None:
        for path in list(self.run.tasks):
            self.run.complete(path)

    def fail_to_tell(self) -> None:
        for path in list(self.run.tasks):
            self.hear()
            if path in self.run.tasks:
                self.run.fault(path)
                self._closes("untold")

    def cancel(self) -> None:
        self.hear()
        self.run.cancel()
        self.outcome = self.outcome or "cancelled"

    def suspend(self) -> None:
        self.run.suspend()
        self.suspended = self.outcome is None

    def resume(self) -> None:
        if self.kept:
            self.hear()
        self.run.resume()
        self.suspended = False
        for kept in sorted(self.kept, key=lambda one: one != "decided"):
            self._closes(kept)
        self.kept = []

    # ---- how it ends

    def end(self) -> None:
        self.resume()
        self.hear()
        while self.run.status() not in ENDED:
            timer, due = min(self.run.timers.items(), key=lambda item: item[1])
            self.run.now = max(self.run.now, due)
            self._fire(timer)

    def _fire(self, timer: str) -> None:
        if timer == DEADLINE:
            self.hear()
        if timer in self.run.timers:
            self.run.fire(timer)
            if timer == DEADLINE:
                self._closes("deadline")

    def _closes(self, how: str) -> None:
        if self.suspended:
            self.kept.append(how)
        elif self.outcome is None:
            self.outcome = how


STEPS: dict[str, Callable[[Question], None]] = {
    "mia approves": lambda question: question.decide("approve", "mia"),
    "boss rejects": lambda question: question.decide("reject", "boss"),
    "hear": Question.hear,
    "an hour passes": lambda question: question.run.pass_time(3600),
    "fire": Question.fire,
    "fire again": Question.fire_again,
    "tell people": Question.tell_people,
    "fail to tell": Question.fail_to_tell,
    "cancel": Question.cancel,
    "suspend": Question.suspend,
    "resume": Question.resume,
}


@example(["suspend", "fail to tell", "mia approves", "resume"])
@example(["mia approves", "an hour passes", "an hour passes", "boss rejects", "fire", "hear"])
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=14))
def test_whatever_happens_a_question_ends_once_as_the_sequential_reading_says(steps: list[str]) -> None:
    question = Question()
    for step in steps:
        STEPS[step](question)
    question.end()
    run, outcome, accepted = question.run, question.outcome, question.accepted
    assert outcome is not None
    assert [one.state for one in run.closed] == [STATES[outcome]]
    assert [entry.type for entry in run.entries].count(ENDS[outcome]) == 1
    assert not run.approvals
    if accepted is not None and outcome != "cancelled":
        assert outcome == "decided"
    match outcome:
        case "decided":
            assert accepted is not None
            assert (run.output["decision"], run.output["by"]) == (accepted.decision, accepted.by)
        case "deadline":
            assert (run.output["decision"], run.output["by"]) == ("reject", "deadline")
        case "untold":
            assert run.error is not None
        case _:
            assert run.status() is RunStatus.CANCELLED
    assert run.replayed() == run.state
