"""`raise`: ends its task with the error it describes (dsl-reference, Raise)."""

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate
from visapi_engine.machine.faults import located, runtime_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Faulted, Outcome
from visapi_engine.model.program import RaiseNode


def begin(draft: Draft, task: Task, node: RaiseNode) -> Outcome:
    """The author's `instance` stands; otherwise it is this task's pointer."""
    described = evaluate(draft, node.error, task, task.input, input=task.input)
    try:
        error = msgspec.convert(described, WorkflowError)
    except msgspec.ValidationError as wrong:
        detail = f"the error to raise is no error object: {wrong}"
        raise runtime_fault(node.pointer, "Cannot raise", detail) from wrong
    return Faulted(error if error.instance is not None else located(error, node.pointer))
