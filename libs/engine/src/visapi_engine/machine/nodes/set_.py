"""`set`: its output is its value (dsl-reference, Set)."""

from visapi_engine.machine.evaluation import evaluate
from visapi_engine.machine.outcomes import Completed, Outcome
from visapi_engine.machine.transition import Task, Transition
from visapi_engine.model.program import SetNode


def begin(tx: Transition, task: Task, node: SetNode) -> Outcome:
    return Completed(evaluate(tx, node.value, task, task.input, input=task.input))
