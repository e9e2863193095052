"""What a history says to endpoints, and who is sent it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.core.endpoint_types import RUN_TYPES, TASK_TYPES, Wants
from visapi_common.core.large_values import sealed, split
from visapi_engine.machine import history
from visapi_engine.machine.history import STRUCTURE
from visapi_orchestrator.endpoints.rules.news import RunOrigin, news_of
from visapi_orchestrator.endpoints.rules.subscribed import Subscription, WaitingNews, messages_of
from visapi_orchestrator.events.rules.lifecycle import EVENT_BYTES_MAX, OUTPUT_BYTES_MAX, HistoryRow

RUN, PARENT = UUID(int=1), UUID(int=2)
TIME = "2026-01-31T09:30:00.25Z"
ORIGIN = RunOrigin(WorkflowRef("shop", "order", "1.0.0"), PARENT)
TASK = {"name": "pay", "pointer": "/do/0/pay"}
ERROR = {"type": "https://example.com/bad", "status": 500, "title": "T", "detail": "D"}
ITEMS: list[dict[str, Any]] = [
    {"type": "workflow.started"},
    {"type": "task.started", "task": TASK},
    {"type": "workflow.correlation-started"},
    {"type": "task.faulted", "task": TASK, "data": {"error": ERROR}},
    {"type": "workflow.completed", "data": {"output": {"n": 1}}},
]


def row(*items: dict[str, Any]) -> HistoryRow:
    numbered = [{"seq": n, "time": TIME, **item} for n, item in enumerate(items, 1)]
    return HistoryRow(RUN, "t", "standard", msgspec.json.encode(numbered))


def told(one: HistoryRow, wants: Wants) -> list[tuple[str, Any]]:
    found = news_of(one, {RUN: ORIGIN}, {"t": wants})
    return [(news.type, msgspec.json.decode(news.data)) for news in found]


def test_runs_and_tasks_are_told_to_those_who_want_them():
    base = {
        "run": str(RUN),
        "workflow": {"namespace": "shop", "name": "order", "version": "1.0.0"},
        "parent": str(PARENT),
    }
    assert told(row(*ITEMS), Wants.RUNS) == [
        ("run.started", {**base, "seq": 1}),
        ("run.completed", {**base, "seq": 5, "output": {"n": 1}}),
    ]
    assert told(row(*ITEMS), Wants.TASKS) == [
        ("task.started", {**base, "seq": 2, "task": TASK}),
        ("task.faulted", {**base, "seq": 4, "task": TASK, "error": ERROR}),
    ]
    assert len(told(row(*ITEMS), Wants.RUNS | Wants.TASKS)) == 4
    assert told(row(*ITEMS), Wants.EVENTS) == []
    [first, *_] = news_of(row(*ITEMS), {RUN: ORIGIN}, {"t": Wants.RUNS})
    assert (first.tenant, first.about, first.at) == (
        "t",
        "shop/order",
        datetime(2026, 1, 31, 9, 30, 0, 250_000, UTC),
    )


def test_a_run_of_the_system_and_a_run_of_another_tenant_are_told_to_nobody():
    assert list(news_of(row(*ITEMS), {}, {"t": Wants.RUNS})) == []
    assert list(news_of(row(*ITEMS), {RUN: ORIGIN}, {"other": Wants.RUNS})) == []


def test_what_is_large_is_left_out():
    small, large = "x" * (OUTPUT_BYTES_MAX - 2), "x" * (OUTPUT_BYTES_MAX - 1)
    for output, there in ((small, True), (large, False)):
        [(_, data)] = told(row({"type": "workflow.completed", "data": {"output": output}}), Wants.RUNS)
        assert ("output" in data) is there
    huge = {**ERROR, "detail": "x" * EVENT_BYTES_MAX}
    [(_, data)] = told(row({"type": "workflow.faulted", "data": {"error": huge}}), Wants.RUNS)
    assert data["error"] == {"type": ERROR["type"], "status": 500, "title": "T"}


def test_an_output_in_the_artifact_store_is_left_out():
    items = [{"seq": 1, "type": "workflow.completed", "time": TIME, "data": {"output": "y" * 300_000}}]
    kept, taken = split(msgspec.json.encode(items), OUTPUT_BYTES_MAX, STRUCTURE)
    where = {one.value: Payload(ref="r", size=1, sha256="") for one in taken}
    stored = HistoryRow(RUN, "t", "standard", sealed(kept, taken, where))
    [(type_, data)] = told(stored, Wants.RUNS)
    assert (type_, "output" in data) == ("run.completed", False)


def test_every_word_of_a_history_has_its_type():
    """Correlations are about events that a schedule collects, and have no webhook."""
    words = {value for name, value in vars(history).items() if name.startswith(("WORKFLOW_", "TASK_"))}
    told = {word.replace("workflow.", "run.") for word in words if "correlation" not in word}
    assert told == RUN_TYPES | TASK_TYPES


def waiting(seq: int, type_: str, about: str, at: datetime) -> WaitingNews:
    return WaitingNews(seq, type_, about, at, 10)


def test_an_endpoint_is_sent_what_its_types_and_filters_choose_since_it_was_made():
    now = datetime.now(UTC)
    news = [
        waiting(1, "run.completed", "shop/order", now),
        waiting(2, "event.order.paid", "/shop", now),
        waiting(3, "run.completed", "shop/refund", now),
        waiting(4, "event.order.paid", "shop/order", now),
        waiting(5, "run.completed", "shop/order", now - timedelta(minutes=1)),
    ]
    ids = [uuid4() for _ in range(4)]
    since = now - timedelta(seconds=1)
    chosen = [
        Subscription(ids[0], ["*"], None, None, since),
        Subscription(ids[1], ["run.*"], ["shop/order"], ["/nowhere"], since),
        Subscription(ids[2], ["*"], ["nobody/*"], ["/sh*"], since),
        Subscription(ids[3], ["task.*"], None, None, since),
    ]
    found = [(message.news, ids.index(message.endpoint)) for message in messages_of(chosen, news)]
    assert found == [(1, 0), (1, 1), (2, 0), (2, 2), (3, 0), (4, 0)]
