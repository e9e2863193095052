"""`wait`: a durable timer; the output is the input (dsl-reference, Wait)."""

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import span
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Completed, Opened, Outcome
from visapi_engine.machine.paths import WAIT
from visapi_engine.machine.state import WaitFrame
from visapi_engine.model.program import WaitNode


def begin(draft: Draft, task: Task, node: WaitNode) -> Outcome:
    ms = span(draft, node.duration, task)
    if ms == 0:
        return Completed(task.input)
    due = draft.now_ms + ms
    draft.open(task, WaitFrame(due=due, input=task.input))
    draft.set_timer(task.path, WAIT, due)
    return Opened()


def timer_fired(frame: WaitFrame) -> Outcome:
    return Completed(frame.input)
