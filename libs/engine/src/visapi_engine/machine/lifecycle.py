"""The life of every task: `if`, input, body, output, export, then (dsl, Data Flow).

An ended task passes its result to the enclosing task, and so on outwards; tasks to begin wait on
the agenda. This module knows no construct.
"""

from typing import Any

from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.machine import dispatch, failures, history
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import checked, evaluate, holds, span
from visapi_engine.machine.faults import TaskFault, plain, runtime_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Completed, Faulted, Opened, Outcome
from visapi_engine.machine.paths import CONTINUE
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.state import ExtendFrame, Pending
from visapi_engine.model.program import CallNode, RunNode

HIDDEN = "***"
STEPS_MAX = 500
"""Tasks begun in one transition; a run with more tasks to begin continues in the next transition."""
BYTES_MAX = 128 * 1024
"""Bytes of history written in one transition; beyond it the run continues in the next transition."""
_SMALL = 8
"""Tasks that begin before the history is measured: most transitions begin fewer."""
OVERRUNS_MAX = 20
"""Expressions of one run that may exceed their budget: each of them occupies an engine process."""
SLICES_MAX = 200
"""Consecutive transitions that may stop at `STEPS_MAX` tasks. More means a loop that never waits."""


def run_agenda(draft: Draft) -> None:
    """Begin tasks, depth first in the order of the definition, until all open tasks wait or the limits of
    a transition are reached, so that other runs proceed.
    """
    begun, made = 0, history.HistoryBytes(draft.entries)
    while begun < STEPS_MAX and (begun < _SMALL or made.measure() < BYTES_MAX):
        if draft.overruns > OVERRUNS_MAX and draft.status not in ENDED:
            _give_up(draft)
        if not draft.agenda:
            break
        _enter(draft, draft.agenda.pop())
        begun += 1
    if draft.agenda:
        _continue_later(draft, begun)
    elif draft.slices:
        draft.slices = draft.steps = 0
        draft.drop_timer(ROOT, CONTINUE)


def _give_up(draft: Draft) -> None:
    """End a run that exceeded too many budgets; no `try` catches this error."""
    detail = f"more than {OVERRUNS_MAX} expressions of the run exceeded their budget of CPU time and memory"
    fail_workflow(draft, runtime_fault(ROOT, "Too many expressions over budget", detail).error)


def _continue_later(draft: Draft, tasks: int) -> None:
    draft.slices += 1
    draft.steps += tasks
    most = STEPS_MAX * SLICES_MAX
    if draft.steps > most:
        detail = f"more than {most} tasks began without the run waiting for anything: a loop of `then`?"
        fail_workflow(draft, runtime_fault(draft.agenda[-1].pointer, "Step limit reached", detail).error)
        return
    draft.set_timer(ROOT, CONTINUE, draft.now_ms)


def settle(draft: Draft, task: Task, outcome: Outcome) -> None:
    """Act on the outcome of a task."""
    if not isinstance(outcome, Faulted):
        draft.failing = None
    match outcome:
        case Opened():
            return
        case Completed():
            _complete(draft, task, outcome)
        case Faulted():
            fail(draft, task, outcome.error)


def _enter(draft: Draft, step: Pending) -> None:
    node = draft.plan.nodes[step.pointer]
    task = Task(node, step.path, step.parent, step.raw, step.raw, draft.now_ms)
    draft.note(history.TASK_CREATED, node)
    try:
        condition = node.common.when
        if condition is not None and not holds(draft, condition, task, step.raw):
            draft.note(history.TASK_SKIPPED, draft.frames.extended(node))
            _notify_parent(draft, task, Completed(step.raw, skipped=True))
            return
        outcome = _begin(draft, task)
    except TaskFault as fault:
        outcome = Faulted(fault.error)
    if isinstance(outcome, Faulted):
        failures.remember(draft, task, failures.ENTER)
    settle(draft, task, outcome)


def _begin(draft: Draft, task: Task) -> Outcome:
    """Validate and transform the input, start the timeout's clock, run the body. Raises `TaskFault`."""
    common = task.node.common
    checked(draft, common.input_schema, task, task.raw)
    if common.input_from is not None:
        task = task._replace(input=evaluate(draft, common.input_from, task, task.raw))
    if common.timeout is not None:
        task = task._replace(timeout_at=draft.now_ms + span(draft, common.timeout, task))
    draft.note(history.TASK_STARTED, task.node)
    return dispatch.begin(draft, task)


def finish(draft: Draft, path: str, output: Any) -> None:
    """Repeat the steps after the body of an open task, which gave `output`."""
    settle(draft, draft.frames.task_at(path), Completed(output))
    run_agenda(draft)


def _complete(draft: Draft, task: Task, done: Completed) -> None:
    try:
        output = _output(draft, task, done.output)
    except TaskFault as fault:
        how = failures.FINISH if task.path in draft.frames else failures.ENTER
        failures.remember(draft, task, how, done.output)
        fail(draft, task, fault.error)
        return
    if task.path == ROOT:
        _complete_workflow(draft, output)
        return
    if done.recalled:
        draft.note(
            history.TASK_SKIPPED,
            task.node,
            {"reason": "it completed in an earlier attempt", "output": output},
        )
    elif isinstance(task.node, RunNode) and task.node.program is not None:
        # A part of a map: the results of its items are in its own history, and in that of the map.
        draft.note(history.TASK_COMPLETED, task.node)
    elif done.facts is not None:
        draft.note(history.TASK_COMPLETED, task.node, {"output": output, **done.facts})
    else:
        draft.note(history.TASK_COMPLETED, task.node, {"output": output})
    draft.close(task.path)
    _notify_parent(draft, task, Completed(output, done.flow or task.node.common.then))


def _output(draft: Draft, task: Task, raw: Any) -> Any:
    """Transform and validate the output, then export. Raises `TaskFault`."""
    common = task.node.common
    task = task._replace(output=raw)
    seen: dict[str, Any] = {} if task.path == ROOT else {"input": task.input}
    if isinstance(task.node, CallNode) and task.node.scheme is not None:
        # The parameter is a credential and stays hidden (docs/reference/language.md).
        seen["authorization"] = {"scheme": task.node.scheme, "parameter": HIDDEN}
    output = raw if common.output_as is None else evaluate(draft, common.output_as, task, raw, **seen)
    checked(draft, common.output_schema, task, output)
    if common.export_as is not None:
        exported = evaluate(draft, common.export_as, task, output, output=output, **seen)
        checked(draft, common.export_schema, task, exported)
        draft.context = exported
    return output


def _notify_parent(draft: Draft, task: Task, done: Completed) -> None:
    ends = done.flow is not None and done.flow.directive == "end" and done.flow.goto is None
    if ends and not isinstance(draft.frames.get(task.parent), ExtendFrame):
        _end_workflow(draft, task, done.output)
        return
    parent = draft.frames.task_at(task.parent)
    try:
        outcome = dispatch.child_completed(draft, parent, task, done)
    except TaskFault as fault:
        outcome = Faulted(fault.error)
    settle(draft, parent, outcome)


def fail(draft: Draft, task: Task, error: WorkflowError) -> None:
    """End a task with an error, cancel the open tasks within it, and pass the error to the enclosing task."""
    failures.remember(draft, task, failures.REOPEN if task.path in draft.frames else failures.ENTER)
    if task.path == ROOT:
        fail_workflow(draft, error)
        return
    draft.cancel_below(task.path)
    draft.note(history.TASK_FAULTED, task.node, {"error": plain(error)})
    draft.close(task.path)
    parent = draft.frames.task_at(task.parent)
    try:
        outcome = dispatch.child_faulted(draft, parent, task, error)
    except TaskFault as fault:
        outcome = Faulted(fault.error)
    settle(draft, parent, outcome)


def _end_workflow(draft: Draft, task: Task, output: Any) -> None:
    """`then: end`: the enclosing tasks complete with the output, all other tasks are cancelled."""
    for path, _ in list(draft.frames.enclosing(task.parent)):
        if path != ROOT:
            draft.cancel_below(path)
            draft.note(history.TASK_COMPLETED, draft.frames.node_at(path), {"output": output})
            draft.close(path)
    draft.cancel_below(ROOT)
    settle(draft, draft.frames.task_at(ROOT), Completed(output))


def _complete_workflow(draft: Draft, output: Any) -> None:
    draft.close(ROOT)
    draft.status = RunStatus.COMPLETED
    draft.output = output
    draft.note(history.WORKFLOW_COMPLETED, data={"output": output})


def fail_workflow(draft: Draft, error: WorkflowError) -> None:
    """End the run with an error that no task caught."""
    draft.resume = failures.point_of(draft)
    _stop(draft)
    draft.status = RunStatus.FAULTED
    draft.error = error
    draft.note(history.WORKFLOW_FAULTED, data={"error": plain(error)})


def cancel_workflow(draft: Draft, data: dict[str, Any], *, by_parent: bool) -> None:
    """End the run on request. If the parent cancelled the run, a retry of the parent may resume it."""
    if by_parent:
        draft.resume = failures.stopped(draft)
    _stop(draft)
    draft.status = RunStatus.CANCELLED
    draft.note(history.WORKFLOW_CANCELLED, data=data)


def _stop(draft: Draft) -> None:
    draft.cancel_below(ROOT)
    draft.agenda.clear()
    draft.deferred.clear()
    draft.close(ROOT)
