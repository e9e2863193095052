"""Builds the specification's lifecycle events from the history of a run (dsl-reference, Lifecycle Events).
Pure.

The id of an event consists of the run's id and the number of the history item, so that a receiver recognizes
an event that arrives twice. An item for which the specification has no event (`task.skipped`) yields none.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.runs import TaskRef
from visapi_common.core.large_values import opened
from visapi_orchestrator.kernel.rules.arriving_events import ArrivedEvent

PREFIX = "io.serverlessworkflow."
OUTPUT_BYTES_MAX = 64 * 1024
"""A larger output is left out of its event; the run has it."""

EVENT_BYTES_MAX = 512 * 1024
"""An event that is larger all the same has its required members only; NATS refuses messages over 1 MiB."""

_WHEN = {
    "created": "createdAt",
    "started": "startedAt",
    "suspended": "suspendedAt",
    "resumed": "resumedAt",
    "retried": "retriedAt",
    "cancelled": "cancelledAt",
    "faulted": "faultedAt",
    "completed": "completedAt",
    "correlation-started": "startedAt",
    "correlation-completed": "completedAt",
}
"""The name of the time in the data of an event, by the last word of the event's type."""


class HistoryRow(msgspec.Struct, frozen=True):
    """The items of one transition, as they are stored."""

    run: UUID
    tenant: str
    retention: str
    items: bytes


class EventOrigin(msgspec.Struct, frozen=True):
    """The run of the events. `by_event`: the schedule of its workflow started the run, on an event."""

    workflow: WorkflowRef
    trace: str | None = None
    parent: UUID | None = None
    by_event: bool = False
    test: bool = False


class LifecycleEvent(msgspec.Struct, frozen=True):
    """An event that is ready to be published; `of` is `workflow` or `task`."""

    run: UUID
    of: str
    origin: EventOrigin
    event: ArrivedEvent


class _Data(msgspec.Struct, frozen=True):
    """Of an item's data, what the specification's events carry."""

    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    correlationKeys: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815 (the specification's word)


class HistoryItem(msgspec.Struct, frozen=True):
    """One item of a history, as events tell it."""

    seq: int
    type: str
    time: str
    task: TaskRef | None = None
    data: _Data | None = None


class _Event(msgspec.Struct, frozen=True, omit_defaults=True):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    data: dict[str, Any]
    traceparent: str | None = None
    visapitest: bool = False
    """An extension attribute: the event of a test run."""


_items = msgspec.json.Decoder(list[HistoryItem]).decode
_encode = msgspec.json.Encoder().encode


def events_of(
    rows: Iterable[HistoryRow], origins: Mapping[UUID, EventOrigin], *, tasks: bool
) -> list[LifecycleEvent]:
    """The events of rows, in their order; of workflows only, unless `tasks` are asked for.

    Rows of a run without an origin are left out: the run was deleted with its history meanwhile.
    """
    found: list[LifecycleEvent] = []
    for row in rows:
        origin = origins.get(row.run)
        if origin is None:
            continue
        for item in items_of(row.items):
            of, _, happened = item.type.partition(".")
            if happened in _WHEN and (tasks or of == "workflow"):
                event = _event(row, origin, item, happened)
                found.append(LifecycleEvent(row.run, of, origin, event))
    return found


def first_time_of(row: HistoryRow) -> str | None:
    """When the first item of a row happened, in RFC 3339."""
    items = items_of(row.items)
    return items[0].time if items else None


def items_of(stored: bytes) -> list[HistoryItem]:
    """The items, without outputs that lie partly in the artifact store: these are too large for an event."""
    envelope = opened(stored)
    if envelope is None:
        return _items(stored)
    items = _items(envelope.of)
    for place in {large.at[0] for large in envelope.large}:
        data = items[place].data
        assert data is not None, "something was taken out of an item without data"
        less = msgspec.structs.replace(data, output=msgspec.UNSET)
        items[place] = msgspec.structs.replace(items[place], data=less)
    return items


def _event(row: HistoryRow, origin: EventOrigin, item: HistoryItem, happened: str) -> ArrivedEvent:
    workflow = origin.workflow
    source = f"/workflows/{workflow.namespace}/{workflow.name}"
    event = _Event(
        specversion="1.0",
        id=f"{row.run}:{item.seq}",
        source=source,
        type=f"{PREFIX}{item.type}.v1",
        subject=str(row.run),
        time=item.time,
        datacontenttype="application/json",
        data=_data(row.run, workflow, item, happened),
        traceparent=origin.trace,
        visapitest=origin.test,
    )
    body = _encode(event)
    if len(body) > EVENT_BYTES_MAX:
        body = _encode(msgspec.structs.replace(event, data=least(event.data)))
    return ArrivedEvent(row.tenant, source, event.id, body, event.type, test=origin.test)


def _data(run: UUID, workflow: WorkflowRef, item: HistoryItem, happened: str) -> dict[str, Any]:
    name = f"{workflow.name}-{run}.{workflow.namespace}"
    if item.task is not None:
        data: dict[str, Any] = {"workflow": name, "task": item.task.pointer}
    else:
        data = {"name": name}
        if happened == "started":
            data["definition"] = {
                "name": workflow.name,
                "namespace": workflow.namespace,
                "version": workflow.version,
            }
    data[_WHEN[happened]] = item.time
    details = item.data
    if details is not None:
        if happened == "completed" and details.output is not msgspec.UNSET and is_small(details.output):
            data["output"] = details.output
        if happened == "faulted" and details.error is not msgspec.UNSET:
            data["error"] = details.error
        if happened == "correlation-completed" and details.correlationKeys is not msgspec.UNSET:
            data["correlationKeys"] = details.correlationKeys
    return data


def least(data: dict[str, Any]) -> dict[str, Any]:
    """Data that is too large, without what may be large."""
    kept = {name: value for name, value in data.items() if name not in ("output", "correlationKeys")}
    if "error" in kept:
        error = msgspec.json.decode(kept["error"], type=dict[str, Any])
        kept["error"] = {name: error[name] for name in ("type", "status", "title") if name in error}
    return kept


def is_small(value: msgspec.Raw) -> bool:
    """Whether an output is told."""
    return len(memoryview(value)) <= OUTPUT_BYTES_MAX
