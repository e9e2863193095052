"""The life of every task, whatever it is: `if`, input, body, output, export, then (dsl, Data Flow).

An ended task hands its result to the task it stands in, and so on outwards; tasks to begin wait
on the agenda. Nothing here knows a construct.
"""

from typing import Any

from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.machine import dispatch, failures, history
from visapi_engine.machine.evaluation import checked, evaluate, holds, span
from visapi_engine.machine.faults import TaskFault, plain, runtime_fault
from visapi_engine.machine.outcomes import Completed, Faulted, Opened, Outcome
from visapi_engine.machine.paths import CONTINUE
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.state import ExtendFrame, Pending
from visapi_engine.machine.transition import Task, Transition
from visapi_engine.model.program import CallNode, RunNode

HIDDEN = "***"
STEPS_MAX = 500
"""Tasks begun in one transition; a run with more to begin goes on in the next one."""
OVERRUNS_MAX = 20
"""Expressions of one run that may exceed their budget: each holds an engine process up."""
SLICES_MAX = 200
"""Transitions in a row that may end so. More is a loop that never waits."""


def run_agenda(tx: Transition) -> None:
    """Begin tasks, depth first in the order of the definition, until all that is left is waiting, or
    until it is time to let others go on.
    """
    for _ in range(STEPS_MAX):
        if tx.overruns > OVERRUNS_MAX and tx.status not in ENDED:
            _give_up(tx)
        if not tx.agenda:
            break
        _enter(tx, tx.agenda.pop())
    if tx.agenda:
        _continue_later(tx)
    elif tx.slices:
        tx.slices = 0
        tx.drop_timer(ROOT, CONTINUE)


def _give_up(tx: Transition) -> None:
    """End a run that costs others too much; nothing catches this."""
    detail = f"more than {OVERRUNS_MAX} expressions of the run exceeded their budget of CPU time and memory"
    fail_workflow(tx, runtime_fault(ROOT, "Too many expressions over budget", detail).error)


def _continue_later(tx: Transition) -> None:
    tx.slices += 1
    if tx.slices > SLICES_MAX:
        steps = STEPS_MAX * SLICES_MAX
        detail = f"more than {steps} tasks began without the run waiting for anything: a loop of `then`?"
        fail_workflow(tx, runtime_fault(tx.agenda[-1].pointer, "Step limit reached", detail).error)
        return
    tx.set_timer(ROOT, CONTINUE, tx.now_ms)


def settle(tx: Transition, task: Task, outcome: Outcome) -> None:
    """Act on what became of a task."""
    if not isinstance(outcome, Faulted):
        tx.failing = None
    match outcome:
        case Opened():
            return
        case Completed():
            _complete(tx, task, outcome)
        case Faulted():
            fail(tx, task, outcome.error)


def _enter(tx: Transition, step: Pending) -> None:
    node = tx.plan.nodes[step.pointer]
    task = Task(node, step.path, step.parent, step.raw, step.raw, tx.now_ms)
    tx.note(history.TASK_CREATED, node)
    try:
        condition = node.common.when
        if condition is not None and not holds(tx, condition, task, step.raw):
            tx.note(history.TASK_SKIPPED, tx.extended(node))
            _tell_parent(tx, task, Completed(step.raw, skipped=True))
            return
        outcome = _begin(tx, task)
    except TaskFault as fault:
        outcome = Faulted(fault.error)
    if isinstance(outcome, Faulted):
        failures.remember(tx, task, failures.ENTER)
    settle(tx, task, outcome)


def _begin(tx: Transition, task: Task) -> Outcome:
    """Validate and transform the input, start the timeout's clock, run the body. Raises `TaskFault`."""
    common = task.node.common
    checked(tx, common.input_schema, task, task.raw)
    if common.input_from is not None:
        task = task._replace(input=evaluate(tx, common.input_from, task, task.raw))
    if common.timeout is not None:
        task = task._replace(timeout_at=tx.now_ms + span(tx, common.timeout, task))
    tx.note(history.TASK_STARTED, task.node)
    return dispatch.begin(tx, task)


def finish(tx: Transition, path: str, output: Any) -> None:
    """Do again what follows the body of an open task, which gave `output`."""
    settle(tx, tx.task_at(path), Completed(output))
    run_agenda(tx)


def _complete(tx: Transition, task: Task, done: Completed) -> None:
    try:
        output = _output(tx, task, done.output)
    except TaskFault as fault:
        how = failures.FINISH if task.path in tx.frames else failures.ENTER
        failures.remember(tx, task, how, done.output)
        fail(tx, task, fault.error)
        return
    if task.path == ROOT:
        _complete_workflow(tx, output)
        return
    if done.recalled:
        tx.note(
            history.TASK_SKIPPED,
            task.node,
            {"reason": "it completed in an earlier attempt", "output": output},
        )
    elif isinstance(task.node, RunNode) and task.node.program is not None:
        # A part of a map: its history tells of its items, and the map's own of them all.
        tx.note(history.TASK_COMPLETED, task.node)
    elif done.facts is not None:
        tx.note(history.TASK_COMPLETED, task.node, {"output": output, **done.facts})
    else:
        tx.note(history.TASK_COMPLETED, task.node, {"output": output})
    tx.close(task.path)
    _tell_parent(tx, task, Completed(output, done.flow or task.node.common.then))


def _output(tx: Transition, task: Task, raw: Any) -> Any:
    """Transform and validate the output, then export. Raises `TaskFault`."""
    common = task.node.common
    task = task._replace(output=raw)
    seen: dict[str, Any] = {} if task.path == ROOT else {"input": task.input}
    if isinstance(task.node, CallNode) and task.node.scheme is not None:
        # The parameter is a credential, so it is not told (docs/reference/language.md).
        seen["authorization"] = {"scheme": task.node.scheme, "parameter": HIDDEN}
    output = raw if common.output_as is None else evaluate(tx, common.output_as, task, raw, **seen)
    checked(tx, common.output_schema, task, output)
    if common.export_as is not None:
        exported = evaluate(tx, common.export_as, task, output, output=output, **seen)
        checked(tx, common.export_schema, task, exported)
        tx.context = exported
    return output


def _tell_parent(tx: Transition, task: Task, done: Completed) -> None:
    ends = done.flow is not None and done.flow.directive == "end" and done.flow.goto is None
    if ends and not isinstance(tx.frames.get(task.parent), ExtendFrame):
        _end_workflow(tx, task, done.output)
        return
    parent = tx.task_at(task.parent)
    try:
        outcome = dispatch.child_completed(tx, parent, task, done)
    except TaskFault as fault:
        outcome = Faulted(fault.error)
    settle(tx, parent, outcome)


def fail(tx: Transition, task: Task, error: WorkflowError) -> None:
    """End a task with an error, cancel what is open within it, and tell the task it stands in."""
    failures.remember(tx, task, failures.REOPEN if task.path in tx.frames else failures.ENTER)
    if task.path == ROOT:
        fail_workflow(tx, error)
        return
    tx.cancel_below(task.path)
    tx.note(history.TASK_FAULTED, task.node, {"error": plain(error)})
    tx.close(task.path)
    parent = tx.task_at(task.parent)
    try:
        outcome = dispatch.child_faulted(tx, parent, task, error)
    except TaskFault as fault:
        outcome = Faulted(fault.error)
    settle(tx, parent, outcome)


def _end_workflow(tx: Transition, task: Task, output: Any) -> None:
    """`then: end`: the tasks around it complete with its output, everything else is cancelled."""
    for path, _ in list(tx.enclosing(task.parent)):
        if path != ROOT:
            tx.cancel_below(path)
            tx.note(history.TASK_COMPLETED, tx.node_at(path), {"output": output})
            tx.close(path)
    tx.cancel_below(ROOT)
    settle(tx, tx.task_at(ROOT), Completed(output))


def _complete_workflow(tx: Transition, output: Any) -> None:
    tx.close(ROOT)
    tx.status = RunStatus.COMPLETED
    tx.output = output
    tx.note(history.WORKFLOW_COMPLETED, data={"output": output})


def fail_workflow(tx: Transition, error: WorkflowError) -> None:
    """End the run with an error; nothing catches it any more."""
    tx.resume = failures.point_of(tx)
    _stop(tx)
    tx.status = RunStatus.FAULTED
    tx.error = error
    tx.note(history.WORKFLOW_FAULTED, data={"error": plain(error)})


def cancel_workflow(tx: Transition, data: dict[str, Any], *, by_parent: bool) -> None:
    """End the run because somebody asked. Its parent may ask for the contrary when it is retried itself."""
    if by_parent:
        tx.resume = failures.stopped(tx)
    _stop(tx)
    tx.status = RunStatus.CANCELLED
    tx.note(history.WORKFLOW_CANCELLED, data=data)


def _stop(tx: Transition) -> None:
    tx.cancel_below(ROOT)
    tx.agenda.clear()
    tx.deferred.clear()
    tx.close(ROOT)
