"""History items as the specification's lifecycle events."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.core.cloudevents import check_event
from visapi_common.core.large_values import sealed, split
from visapi_engine.machine.history import STRUCTURE
from visapi_orchestrator.events.rules.lifecycle import (
    OUTPUT_BYTES_MAX,
    EventOrigin,
    HistoryRow,
    events_of,
    first_time_of,
)

RUN = UUID("01932f4e-7c00-7000-8000-000000000001")
NAME = f"order-{RUN}.samples"
TIME = "2026-01-31T09:30:00Z"
TELLER = EventOrigin(WorkflowRef("samples", "order", "1.0.0"))
TASK = {"name": "pay", "pointer": "/do/0/pay"}
ERROR = {"type": "https://serverlessworkflow.io/spec/1.0.0/errors/runtime", "status": 500, "title": "T"}


def told(*items: dict[str, Any], origin: EventOrigin = TELLER, tasks: bool = True) -> list[dict[str, Any]]:
    numbered = [{"seq": n, "time": TIME, **item} for n, item in enumerate(items, 1)]
    rows = [HistoryRow(RUN, "default", "standard", msgspec.json.encode(numbered))]
    return [msgspec.json.decode(event.event.body) for event in events_of(rows, {RUN: origin}, tasks=tasks)]


@pytest.mark.parametrize(
    ("item", "data"),
    [
        (
            {"type": "workflow.started"},
            {
                "name": NAME,
                "definition": {"name": "order", "namespace": "samples", "version": "1.0.0"},
                "startedAt": TIME,
            },
        ),
        (
            {"type": "workflow.suspended", "data": {"actor": "a", "reason": "r"}},
            {"name": NAME, "suspendedAt": TIME},
        ),
        ({"type": "workflow.resumed", "data": {"actor": "a"}}, {"name": NAME, "resumedAt": TIME}),
        ({"type": "workflow.correlation-started"}, {"name": NAME, "startedAt": TIME}),
        (
            {"type": "workflow.correlation-completed", "data": {"correlationKeys": {"order": "o1"}}},
            {"name": NAME, "completedAt": TIME, "correlationKeys": {"order": "o1"}},
        ),
        ({"type": "workflow.cancelled", "data": {"actor": "a"}}, {"name": NAME, "cancelledAt": TIME}),
        (
            {"type": "workflow.faulted", "data": {"error": ERROR}},
            {"name": NAME, "faultedAt": TIME, "error": ERROR},
        ),
        (
            {"type": "workflow.completed", "data": {"output": {"n": 1}}},
            {"name": NAME, "completedAt": TIME, "output": {"n": 1}},
        ),
        (
            {"type": "task.created", "task": TASK},
            {"workflow": NAME, "task": "/do/0/pay", "createdAt": TIME},
        ),
        (
            {"type": "task.started", "task": TASK},
            {"workflow": NAME, "task": "/do/0/pay", "startedAt": TIME},
        ),
        (
            {"type": "task.suspended", "task": TASK, "data": {"reason": "uncertain"}},
            {"workflow": NAME, "task": "/do/0/pay", "suspendedAt": TIME},
        ),
        (
            {"type": "task.resumed", "task": TASK, "data": {"decision": "retry"}},
            {"workflow": NAME, "task": "/do/0/pay", "resumedAt": TIME},
        ),
        (
            {"type": "task.retried", "task": TASK, "data": {"attempt": 2}},
            {"workflow": NAME, "task": "/do/0/pay", "retriedAt": TIME},
        ),
        (
            {"type": "task.cancelled", "task": TASK},
            {"workflow": NAME, "task": "/do/0/pay", "cancelledAt": TIME},
        ),
        (
            {"type": "task.faulted", "task": TASK, "data": {"error": ERROR}},
            {"workflow": NAME, "task": "/do/0/pay", "faultedAt": TIME, "error": ERROR},
        ),
        (
            {"type": "task.completed", "task": TASK, "data": {"output": None, "case": "x"}},
            {"workflow": NAME, "task": "/do/0/pay", "completedAt": TIME, "output": None},
        ),
    ],
    ids=lambda value: value.get("type") if "type" in value else "",
)
def test_each_item_carries_exactly_the_specifications_data(item: dict[str, Any], data: dict[str, Any]):
    (event,) = told(item)
    assert check_event(event) == []
    assert event == {
        "specversion": "1.0",
        "id": f"{RUN}:1",
        "source": "/workflows/samples/order",
        "type": f"io.serverlessworkflow.{item['type']}.v1",
        "subject": str(RUN),
        "time": TIME,
        "datacontenttype": "application/json",
        "data": data,
    }


def test_what_the_specification_has_no_event_for_yields_none_and_keeps_its_number():
    events = told(
        {"type": "task.created", "task": TASK},
        {"type": "task.skipped", "task": TASK},
        {"type": "workflow.completed", "data": {"output": 1}},
    )
    assert [event["id"] for event in events] == [f"{RUN}:1", f"{RUN}:3"]


def test_without_tasks_only_events_of_the_workflow_are_told():
    events = told({"type": "workflow.started"}, {"type": "task.created", "task": TASK}, tasks=False)
    assert [event["type"] for event in events] == ["io.serverlessworkflow.workflow.started.v1"]


def test_the_trace_of_the_run_is_an_extension():
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    (event,) = told({"type": "workflow.started"}, origin=msgspec.structs.replace(TELLER, trace=trace))
    assert (event["traceparent"], check_event(event)) == (trace, [])


def test_a_large_output_is_left_to_the_run():
    for size, there in ((OUTPUT_BYTES_MAX - 2, True), (OUTPUT_BYTES_MAX, False)):
        (event,) = told({"type": "workflow.completed", "data": {"output": "x" * size}})
        assert ("output" in event["data"]) is there


def test_an_error_that_no_message_could_carry_keeps_its_kind():
    (event,) = told({"type": "workflow.faulted", "data": {"error": {**ERROR, "detail": "x" * 600_000}}})
    assert event["data"]["error"] == ERROR


def test_a_run_that_was_dropped_meanwhile_is_passed_over():
    rows = [HistoryRow(RUN, "default", "standard", b'[{"seq":1,"type":"workflow.started","time":"x"}]')]
    assert events_of(rows, {}, tasks=True) == []


def test_an_output_in_the_artifact_store_is_left_out_and_the_rest_of_its_item_is_told():
    items = [
        {
            "seq": 1,
            "type": "task.completed",
            "time": TIME,
            "task": TASK,
            "data": {"output": {"a": "x" * 90_000}},
        },
        {
            "seq": 2,
            "type": "workflow.faulted",
            "time": TIME,
            "data": {"error": {**ERROR, "detail": "y" * 90_000}},
        },
        {"seq": 3, "type": "workflow.completed", "time": TIME, "data": {"output": 1}},
    ]
    small, taken = split(msgspec.json.encode(items), OUTPUT_BYTES_MAX, STRUCTURE)
    stored = sealed(small, taken, {one.value: Payload(ref="r", size=1, sha256="") for one in taken})
    row = HistoryRow(RUN, "default", "standard", stored)
    events = [msgspec.json.decode(event.event.body) for event in events_of([row], {RUN: TELLER}, tasks=True)]
    assert [event["data"] for event in events] == [
        {"workflow": NAME, "task": "/do/0/pay", "completedAt": TIME},
        {"name": NAME, "faultedAt": TIME, "error": {**ERROR, "detail": "y" * 90_000}},
        {"name": NAME, "completedAt": TIME, "output": 1},
    ]
    assert first_time_of(row) == TIME
