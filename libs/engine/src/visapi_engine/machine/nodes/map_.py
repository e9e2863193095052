"""`call: flow.map`: a function or a workflow for each item, many at once, with the results in order.

A map of up to `PART` items begins each item here, under its own path. A larger map delegates parts to
child runs (`model/parts.py`), so that no state grows with the number of completed items.

Failed items are counted; the map fails with the error of the first item beyond the tolerated number. An
item's effect key and child id are derived from its index, so neither a replay nor a retry repeats an item.
"""

from typing import Any, cast

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate
from visapi_engine.machine.faults import TaskFault, expression_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Completed, Faulted, Opened, Outcome
from visapi_engine.machine.paths import vector_of
from visapi_engine.machine.state import ItemFailure, MapFrame
from visapi_engine.model.parts import CONCURRENCY_MAX, PART
from visapi_engine.model.program import MapNode

_PER_PART = 16
"""Items in progress at once within one part of a large map."""


class _Part(msgspec.Struct, frozen=True):
    """The input of the child run of a part; `first` is the index of the part's first item."""

    items: msgspec.Raw
    first: int
    concurrency: int
    tolerate: int


class _Done(msgspec.Struct):
    """The output of that run."""

    results: list[msgspec.Raw]
    failed: list[ItemFailure]


def begin(draft: Draft, task: Task, node: MapNode) -> Outcome:
    found = evaluate(draft, node.items, task, task.input, input=task.input)
    if not isinstance(found, list):
        detail = f"`items` must give a list, it gave {msgspec.json.encode(found).decode()[:100]}"
        raise expression_fault(node.pointer, detail)
    items = cast("list[Any]", found)
    concurrency = _whole(draft, task, node, "concurrency", least=1, most=CONCURRENCY_MAX)
    in_parts = node.part is not None and len(items) > PART
    size = PART if in_parts else max(1, len(items))
    frame = MapFrame(
        count=len(items),
        first=_whole(draft, task, node, "first", least=0),
        tolerated=_tolerated(draft, task, node, len(items)),
        width=max(1, concurrency // _PER_PART) if in_parts else concurrency,
        within=min(concurrency, _PER_PART) if in_parts else 0,
        waiting=[
            msgspec.Raw(msgspec.json.encode(items[at : at + size])) for at in range(0, len(items), size)
        ],
    )
    draft.open(task, frame)
    return _go_on(draft, task, node, frame)


def child_completed(
    draft: Draft, task: Task, node: MapNode, frame: MapFrame, *, child: Task, done: Completed
) -> Outcome:
    result = msgspec.json.encode(done.output)
    if frame.within:
        part = msgspec.json.decode(result, type=_Done)
        result = msgspec.json.encode(part.results)
        frame.failed = [*frame.failed, *part.failed]
    frame.open -= 1
    frame.done = {**frame.done, _number(draft, child): msgspec.Raw(result)}
    if len(frame.failed) > frame.tolerated:
        return Faulted(_too_many(frame.failed[-1]))
    return _go_on(draft, task, node, frame)


def child_faulted(
    draft: Draft, task: Task, node: MapNode, frame: MapFrame, *, child: Task, error: WorkflowError
) -> Outcome:
    """Count the failure of an item; the error of a part is already that of its item."""
    if frame.within:
        return Faulted(error)
    number = _number(draft, child)
    failure = ItemFailure(frame.first + number, error)
    frame.open -= 1
    frame.failed = [*frame.failed, failure]
    frame.done = {**frame.done, number: msgspec.Raw(b"null")}
    return (
        Faulted(_too_many(failure))
        if len(frame.failed) > frame.tolerated
        else _go_on(draft, task, node, frame)
    )


def _go_on(draft: Draft, task: Task, node: MapNode, frame: MapFrame) -> Outcome:
    """Begin items or parts up to the limit; completes when none is left."""
    begun = _parts(task, node, frame) if frame.within else _items(node, frame)
    for pointer, number, raw in reversed(begun):
        draft.enter(pointer, task, number, raw)
    frame.open += len(begun)
    frame.next += len(begun)
    return Opened() if frame.open else _result(frame)


def _items(node: MapNode, frame: MapFrame) -> list[tuple[str, int, Any]]:
    free = min(frame.width - frame.open, frame.count - frame.next)
    if free <= 0:
        return []
    items = msgspec.json.decode(frame.waiting[0], type=list[msgspec.Raw])
    chosen = range(frame.next, frame.next + free)
    return [(node.each, number, msgspec.json.decode(items[number])) for number in chosen]


def _parts(task: Task, node: MapNode, frame: MapFrame) -> list[tuple[str, int, Any]]:
    assert node.part is not None, f"{task.path} has no parts"
    free = min(frame.width - frame.open, len(frame.waiting))
    chosen, frame.waiting = frame.waiting[:free], frame.waiting[free:]
    left = frame.tolerated - len(frame.failed)
    return [
        (
            node.part,
            number,
            _Part(items, frame.first + number * PART, concurrency=frame.within, tolerate=left),
        )
        for number, items in enumerate(chosen, frame.next)
    ]


def _result(frame: MapFrame) -> Completed:
    results = [bytes(frame.done[number]) for number in sorted(frame.done)]
    joined = b",".join(result[1:-1] for result in results) if frame.within else b",".join(results)
    failed = sorted(frame.failed, key=lambda failure: failure.index)
    output = {"results": msgspec.json.decode(b"[" + joined + b"]"), "failed": msgspec.to_builtins(failed)}
    return Completed(output, facts={"items": frame.count, "failures": len(failed)})


def _too_many(failure: ItemFailure) -> WorkflowError:
    """The error of an item with the item's index; the error of a part has the index already."""
    error = failure.error
    return msgspec.structs.replace(error, detail=f"item {failure.index}: {error.detail or error.title or ''}")


def _number(draft: Draft, child: Task) -> int:
    """The number of a child: the innermost number of its path."""
    vector = vector_of(child.path, child.node.pointer)
    return vector[-1] if len(vector) == draft.plan.widths[child.node.pointer] else 0


def _tolerated(draft: Draft, task: Task, node: MapNode, count: int) -> int:
    found = evaluate(draft, node.tolerate, task, task.input, input=task.input)
    if isinstance(found, dict):
        share = cast("dict[str, Any]", found).get("percent")
        if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 100:
            return int(count * share / 100)
    elif isinstance(found, int) and not isinstance(found, bool) and found >= 0:
        return found
    said = msgspec.json.encode(found).decode()[:100]
    detail = f"`tolerate` must be a number of items or {{percent: …}}, it is {said}"
    raise expression_fault(node.pointer, detail)


def _whole(draft: Draft, task: Task, node: MapNode, name: str, *, least: int, most: int | None = None) -> int:
    found = evaluate(draft, getattr(node, name), task, task.input, input=task.input)
    if isinstance(found, int) and not isinstance(found, bool) and least <= found <= (most or found):
        return found
    raise _no_number(node, name, found, least, most)


def _no_number(node: MapNode, name: str, found: Any, least: int, most: int | None) -> TaskFault:
    span = f"from {least} to {most}" if most is not None else f"of at least {least}"
    said = msgspec.json.encode(found).decode()[:100]
    return expression_fault(node.pointer, f"`{name}` must be a whole number {span}, it is {said}")
