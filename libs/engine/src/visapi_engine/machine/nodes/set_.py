"""`set`: its output is its value (dsl-reference, Set)."""

from visapi_engine.definition.program import SetNode
from visapi_engine.machine.evaluation import evaluate
from visapi_engine.machine.outcomes import Completed, Outcome
from visapi_engine.machine.transition import Task, Transition


def begin(tx: Transition, task: Task, node: SetNode) -> Outcome:
    return Completed(evaluate(tx, node.value, task, task.input, input=task.input))
