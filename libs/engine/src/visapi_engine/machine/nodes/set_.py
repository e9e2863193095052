"""`set`: its output is its value (dsl-reference, Set)."""

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Completed, Outcome
from visapi_engine.model.program import SetNode


def begin(draft: Draft, task: Task, node: SetNode) -> Outcome:
    return Completed(evaluate(draft, node.value, task, task.input, input=task.input))
