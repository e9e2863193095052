"""`switch`: the first case that holds says where to go; the output is the input (dsl-reference, Switch)."""

from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import holds
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Completed, Outcome
from visapi_engine.model.program import SwitchNode


def begin(draft: Draft, task: Task, node: SwitchNode) -> Outcome:
    """Cases in order; the default case counts only when no other holds, wherever it stands."""
    default = None
    for case in node.cases:
        if case.when is None:
            default = case
        elif holds(draft, case.when, task, task.input, input=task.input):
            return Completed(task.input, case.then, facts={"case": case.name})
    if default is None:
        return Completed(task.input, facts={"case": None})
    return Completed(task.input, default.then, facts={"case": default.name})
