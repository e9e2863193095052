"""What endpoints may want to know of a run, from its history. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.core.endpoint_types import RUN, RUN_TYPES, TASK_TYPES, Wants
from visapi_orchestrator.events.rules.lifecycle import (
    EVENT_BYTES_MAX,
    HistoryItem,
    HistoryRow,
    is_small,
    items_of,
    least,
)

_WORKFLOW = "workflow."
_encode = msgspec.json.Encoder().encode


class News(msgspec.Struct, frozen=True):
    """What endpoints of a tenant may want to know. `about` is the run's workflow; `data` is JSON."""

    tenant: str
    type: str
    about: str
    at: datetime
    data: bytes


class Wanted(msgspec.Struct, frozen=True):
    """By tenant what its enabled endpoints want to know of runs and tasks. `upto`: the transaction before
    which history is complete; endpoints that this does not name were made later.
    """

    tenants: Mapping[str, Wants]
    upto: str


class RunOrigin(msgspec.Struct, frozen=True):
    """The workflow of a run, and the run that started it."""

    workflow: WorkflowRef
    parent: UUID | None = None


def news_of(
    row: HistoryRow, origins: Mapping[UUID, RunOrigin], wanted: Mapping[str, Wants]
) -> Iterable[News]:
    """What a row of history says, in its order. Nothing of a run without an origin: the run is the system's
    own, or was deleted meanwhile.
    """
    origin = origins.get(row.run)
    if origin is None:
        return
    wants = wanted.get(row.tenant, Wants(0))
    about = f"{origin.workflow.namespace}/{origin.workflow.name}"
    for item in items_of(row.items):
        type_ = item.type
        if type_.startswith(_WORKFLOW):
            type_ = RUN + type_.removeprefix(_WORKFLOW)
        if (type_ in RUN_TYPES and Wants.RUNS in wants) or (type_ in TASK_TYPES and Wants.TASKS in wants):
            at = datetime.fromisoformat(item.time)
            yield News(row.tenant, type_, about, at, _data(row.run, origin, item))


def _data(run: UUID, origin: RunOrigin, item: HistoryItem) -> bytes:
    workflow = origin.workflow
    data: dict[str, Any] = {
        "run": run,
        "seq": item.seq,
        "workflow": {
            "namespace": workflow.namespace,
            "name": workflow.name,
            "version": workflow.version,
        },
    }
    if origin.parent is not None:
        data["parent"] = origin.parent
    if item.task is not None:
        data["task"] = {"name": item.task.name, "pointer": item.task.pointer}
    details = item.data
    if details is not None and details.output is not msgspec.UNSET and is_small(details.output):
        data["output"] = details.output
    if details is not None and details.error is not msgspec.UNSET:
        data["error"] = details.error
    encoded = _encode(data)
    return encoded if len(encoded) <= EVENT_BYTES_MAX else _encode(least(data))
