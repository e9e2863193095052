"""`fork`: branches side by side (dsl-reference, Fork).

Together they give an array in the order of their declaration; competing, the output of the first
to end. A branch whose error nothing caught faults the fork at once, competing or not, as any
uncaught error does; the other branches are then cancelled.
"""

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Completed, Opened, Outcome
from visapi_engine.machine.state import ForkFrame
from visapi_engine.model.program import ForkNode


def begin(draft: Draft, task: Task, node: ForkNode) -> Outcome:
    if not node.branches:
        return Completed(task.input if node.compete else [])
    draft.open(task, ForkFrame(input=task.input if node.compete else None))
    for branch in reversed(node.branches):
        draft.enter(branch, task, 0, task.input)
    return Opened()


def child_completed(
    draft: Draft, task: Task, node: ForkNode, frame: ForkFrame, *, child: str, done: Completed
) -> Outcome:
    """A branch that its `if` skipped does not win a race."""
    if node.compete and not done.skipped:
        draft.cancel_below(task.path)
        return Completed(done.output, facts={"branch": draft.frames.extended(draft.plan.nodes[child]).name})
    frame.outputs = {**frame.outputs, child: done.output}
    if len(frame.outputs) < len(node.branches):
        return Opened()
    return Completed(frame.input if node.compete else [frame.outputs[branch] for branch in node.branches])
