"""`do`: subtasks in sequence (dsl-reference, Do). The workflow itself is one, at the path ``""``."""

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.frames import Task
from visapi_engine.machine.nodes import sequence
from visapi_engine.machine.outcomes import Completed, Outcome
from visapi_engine.machine.state import DoFrame
from visapi_engine.model.program import DoNode


def begin(draft: Draft, task: Task, node: DoNode) -> Outcome:
    draft.open(task, DoFrame())
    return sequence.first(draft, task, node.children, task.input)


def child_completed(
    draft: Draft, task: Task, node: DoNode, frame: DoFrame, *, child: str, done: Completed
) -> Outcome:
    return sequence.after(draft, task, frame, node.children, child=child, done=done)
