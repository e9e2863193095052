"""An extension around a task (dsl-reference, Extension).

The tasks of `before` get the input of the extended task, those of `after` its output; their outputs are
dropped. A task of `before` with `then: exit` replaces the extended task: its output is the output.
"""

from typing import Any

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import extended_descriptor, holds
from visapi_engine.machine.frames import Task
from visapi_engine.machine.nodes import sequence
from visapi_engine.machine.outcomes import Completed, Opened, Outcome
from visapi_engine.machine.state import ExtendFrame
from visapi_engine.model.program import ExtendNode, Flow

BEFORE, TASK, AFTER = "before", "task", "after"


def begin(draft: Draft, task: Task, node: ExtendNode) -> Outcome:
    frame = ExtendFrame(input=task.raw)
    draft.open(task, frame)
    if node.when is not None:
        about = extended_descriptor(draft, task.path, node, frame)
        if not holds(draft, node.when, task, task.raw, task=about):
            frame.stage = AFTER
            return _enter_task(draft, task, node)
    return _after_stage(draft, task, node, frame, sequence.first(draft, task, node.before, task.raw))


def child_completed(
    draft: Draft, task: Task, node: ExtendNode, frame: ExtendFrame, *, child: str, done: Completed
) -> Outcome:
    if child == node.target:
        return _task_completed(draft, task, node, frame, done)
    flow = done.flow or Flow()
    if flow.goto is None and (flow.directive == "end" or (flow.directive, frame.stage) == ("exit", BEFORE)):
        return Completed(done.output, flow if flow.directive == "end" else None)
    children = node.before if frame.stage == BEFORE else node.after
    return _after_stage(
        draft, task, node, frame, sequence.after(draft, task, frame, children, child=child, done=done)
    )


def _task_completed(
    draft: Draft, task: Task, node: ExtendNode, frame: ExtendFrame, done: Completed
) -> Outcome:
    if frame.stage == AFTER:
        return Completed(done.output, done.flow)
    frame.stage, frame.output, frame.flow, frame.round = AFTER, done.output, done.flow, 0
    return _after_stage(draft, task, node, frame, sequence.first(draft, task, node.after, done.output))


def _after_stage(draft: Draft, task: Task, node: ExtendNode, frame: ExtendFrame, outcome: Outcome) -> Outcome:
    """Continue when the tasks of `before` or of `after` have completed."""
    if not isinstance(outcome, Completed):
        return outcome
    if frame.stage == BEFORE:
        frame.stage = TASK
        return _enter_task(draft, task, node)
    return Completed(frame.output, frame.flow)


def _enter_task(draft: Draft, task: Task, node: ExtendNode) -> Outcome:
    """Enter the extended task with the input that it has without the extension."""
    draft.enter(node.target, task, 0, _raw(draft, task))
    return Opened()


def _raw(draft: Draft, task: Task) -> Any:
    return draft.frames[task.path].input
