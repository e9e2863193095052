"""From messages and rows to the machine's events."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from visapi_common.contracts.engine_messages import InboxKind, Outcome, TaskResult
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_engine.machine.events import (
    CancelRequested,
    Resolved,
    TaskCompleted,
    TaskFaulted,
    TaskUncertain,
    TimerFired,
)
from visapi_orchestrator.kernel.rules.messages import DueTimer
from visapi_orchestrator.tasks.rules.announced import refusal_of
from visapi_orchestrator.transitions.rules.machine_events import inbox_event, result_event, timer_event
from visapi_orchestrator.transitions.rules.snapshot import InboxRow

RUN = UUID("01930000-0000-7000-8000-000000000001")


def result(outcome: Outcome, **more: Any) -> TaskResult:
    return TaskResult(RUN, "/do/0/a", 1, "t", outcome, **more)


def test_outcomes_become_events():
    good, bad, unclear = result(Outcome.COMPLETED), result(Outcome.FAULTED), result(Outcome.UNCERTAIN)
    assert result_event(good, {id(good): b"7"}, 5) == TaskCompleted(5, "/do/0/a", 1, b"7")
    faulted = result_event(bad, {}, 5)
    assert isinstance(faulted, TaskFaulted)
    assert msgspec.json.decode(faulted.error)["status"] == 500
    assert result_event(unclear, {}, 5) == TaskUncertain(5, "/do/0/a", 1)


def test_a_timer_never_fires_before_its_time_however_slow_our_clock_is():
    assert timer_event(DueTimer("t", 1000), now_ms=990) == TimerFired(1000, "t")


def test_inbox_rows_become_events_and_unreadable_ones_nothing():
    cancel = InboxRow("k", InboxKind.CANCEL, b'{"actor":"ann","reason":"typo"}')
    assert inbox_event(cancel, 5, {}) == CancelRequested(5, "ann", "typo")
    decided = InboxRow(
        "k", InboxKind.RESOLVE, b'{"actor":"ann","path":"/a","decision":"happened","output":{"x":1}}'
    )
    event = inbox_event(decided, 5, {})
    assert isinstance(event, Resolved)
    assert event.output == b'{"x":1}'
    assert inbox_event(InboxRow("k", InboxKind.CANCEL, b"no json"), 5, {}) is None
    assert inbox_event(InboxRow("k", InboxKind.RESOLVE, b'{"actor":"ann"}'), 5, {}) is None


@pytest.mark.parametrize(
    ("tenant", "name", "fine"),
    [
        ("_", "pdf.render", True),
        ("_", "notify.a-channel-to-come", True),
        ("default", "pdf.render", False),
        ("default", "pdf.merge", False),
        ("default", "human.ask", False),
        ("_", "human.approve", False),
        ("_", "acme.score", False),
        ("default", "acme.score", True),
        ("default", "acme.new-score_2", True),
        ("default", "acme..score", False),
        ("default", "acme.*", False),
        ("default", "acme score", False),
        ("default", "", False),
    ],
)
def test_only_the_owner_of_a_well_named_function_may_announce_it(tenant: str, name: str, fine: bool):
    assert (refusal_of(tenant, [FunctionSpec(name)]) is None) is fine
