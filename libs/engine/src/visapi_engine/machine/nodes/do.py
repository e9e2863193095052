"""`do`: subtasks in sequence (dsl-reference, Do). The workflow itself is one, at the path ``""``."""

from visapi_engine.machine.nodes import sequence
from visapi_engine.machine.outcomes import Completed, Outcome
from visapi_engine.machine.state import DoFrame
from visapi_engine.machine.transition import Task, Transition
from visapi_engine.model.program import DoNode


def begin(tx: Transition, task: Task, node: DoNode) -> Outcome:
    tx.open(task, DoFrame())
    return sequence.first(tx, task, node.children, task.input)


def child_completed(
    tx: Transition, task: Task, node: DoNode, frame: DoFrame, *, child: str, done: Completed
) -> Outcome:
    return sequence.after(tx, task, frame, node.children, child=child, done=done)
