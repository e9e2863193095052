"""`emit`: an event, published with the transition that emits it (dsl-reference, Emit).

The event's id is derived from the task's path, so a repetition in a retried block is the same event. The
output is the event. The published event also carries the lineage of the run (`machine.lineage`).
"""

import hashlib
from typing import Any, cast

import msgspec

from visapi_common.core.cloudevents import check_foreign_event
from visapi_engine.machine.commands import Emit
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate, instant
from visapi_engine.machine.faults import expression_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Completed, Outcome
from visapi_engine.model.program import EmitNode

EVENT_BYTES_MAX = 1_000_000
"""NATS takes 1 MiB, headers included."""

_TEXTS = ("id", "source", "type", "time", "subject", "datacontenttype", "dataschema")


def begin(draft: Draft, task: Task, node: EmitNode) -> Outcome:
    stated = evaluate(draft, node.event, task, task.input, input=task.input)
    assert isinstance(stated, dict), "the compiler takes an object only"
    event = _complete(draft, task, cast("dict[str, Any]", stated))
    sent = event if draft.kinship is None else draft.kinship.emit(node.pointer, event)
    body = msgspec.json.encode(sent)
    if len(body) > EVENT_BYTES_MAX:
        detail = f"the event has {len(body)} bytes of JSON, at most {EVENT_BYTES_MAX} can be published"
        raise expression_fault(task.node.pointer, detail)
    draft.commands.append(Emit(task.path, body, source=event["source"], id=event["id"], kind=event["type"]))
    return Completed(event)


def _complete(draft: Draft, task: Task, stated: dict[str, Any]) -> dict[str, Any]:
    """The event with default attributes. Raises `TaskFault` for an attribute that is no text."""
    given = {name: value for name, value in stated.items() if value is not None or name == "data"}
    for name in _TEXTS:
        if name in given and (not isinstance(given[name], str) or not given[name]):
            detail = (
                f"the event's `{name}` must be text, it is {msgspec.json.encode(given[name]).decode()[:100]}"
            )
            raise expression_fault(task.node.pointer, detail)
    if "type" not in given:
        raise expression_fault(task.node.pointer, "the event's `type` is null; an event needs a type")
    program = draft.plan.program
    defaults: dict[str, Any] = {
        "specversion": "1.0",
        "id": hashlib.sha256(f"{draft.run}\0{task.path}".encode()).hexdigest()[:32],
        "source": f"/workflows/{program.namespace}/{program.name}",
        "time": instant(draft.now_ms)["iso8601"],
    }
    if "data" in given:
        defaults["datacontenttype"] = "application/json"
    event = {**defaults, **given}
    flaws = check_foreign_event(event)
    if flaws:
        reasons = "; ".join(f"`{flaw.pointer.removeprefix('/')}` {flaw.detail}" for flaw in flaws[:5])
        raise expression_fault(task.node.pointer, f"the event cannot be emitted: {reasons}")
    return event
