"""`for`: a list of tasks for each item, one after the other (dsl-reference, For).

The output of each iteration is the input of the next; the output of the loop is that of its last
iteration, or its input without one. `while` is evaluated before each iteration.
"""

from typing import Any, cast

import msgspec

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate, holds
from visapi_engine.machine.faults import expression_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.nodes import sequence
from visapi_engine.machine.outcomes import Completed, Outcome
from visapi_engine.machine.state import ForFrame
from visapi_engine.model.program import ForNode


def begin(draft: Draft, task: Task, node: ForNode) -> Outcome:
    found = evaluate(draft, node.items, task, task.input, input=task.input)
    if not isinstance(found, list):
        detail = f"`for.in` must give a list, it gave {msgspec.json.encode(found).decode()[:100]}"
        raise expression_fault(node.pointer, detail)
    items = cast("list[Any]", found)
    frame = ForFrame(items=msgspec.Raw(msgspec.json.encode(items)), count=len(items))
    draft.open(task, frame)
    return _iterate(draft, task, node, frame, task.input)


def child_completed(
    draft: Draft, task: Task, node: ForNode, frame: ForFrame, *, child: str, done: Completed
) -> Outcome:
    outcome = sequence.after(draft, task, frame, node.children, child=child, done=done)
    if not isinstance(outcome, Completed):
        return outcome
    frame.index += 1
    frame.round += 1
    return _iterate(draft, task, node, frame, outcome.output)


def _iterate(draft: Draft, task: Task, node: ForNode, frame: ForFrame, value: Any) -> Outcome:
    if frame.index >= frame.count:
        return Completed(value, facts={"iterations": frame.index})
    if node.condition is not None:
        bound = bindings(draft, node, frame)
        if not holds(draft, node.condition, task, value, **{"input": value, **bound}):
            return Completed(value, facts={"iterations": frame.index})
    return sequence.first(draft, task, node.children, value, frame.round)


def bindings(draft: Draft, node: ForNode, frame: ForFrame) -> dict[str, Any]:
    """The variables of the current iteration."""
    return {node.each: draft.frames.items_of(frame)[frame.index], node.at: frame.index}
