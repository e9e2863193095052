"""The events that open a run: its start, and the retry of a faulted run."""

from typing import Any

from visapi_engine.machine import dispatch, failures, history, resumption
from visapi_engine.machine.admission import admission_of
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import checked, evaluate, span
from visapi_engine.machine.events import RetryRequested, Started
from visapi_engine.machine.faults import TaskFault, runtime_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.lifecycle import finish, run_agenda, settle
from visapi_engine.machine.outcomes import Faulted, Outcome
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.state import ResumePoint
from visapi_engine.machine.values import UnreadableValue, read_json


def start(draft: Draft, event: Started) -> None:
    """Begin a run: validate and transform its input, open the workflow, enter its first task."""
    root = Task(draft.plan.nodes[ROOT], ROOT, ROOT, None, None, draft.now_ms)
    draft.note(history.WORKFLOW_STARTED)
    try:
        raw = read_json(event.input)
        outcome = _open_workflow(draft, root, raw)
    except UnreadableValue as wrong:
        outcome = Faulted(runtime_fault(ROOT, "Unreadable input", f"the input is no JSON: {wrong}").error)
    except TaskFault as fault:
        outcome = Faulted(fault.error)
    settle(draft, root, outcome)
    run_agenda(draft)


def _open_workflow(draft: Draft, root: Task, raw: Any) -> Outcome:
    program = draft.plan.program
    if draft.plan.uses_workflow or draft.plan.attributes:
        draft.workflow_input = raw
    checked(draft, program.input_schema, root, raw)
    if program.settings is not None:
        draft.admission = admission_of(draft, root, program.settings, raw)
    value = raw if program.input_from is None else evaluate(draft, program.input_from, root, raw)
    if draft.plan.uses_context:
        draft.context = value
    root = root._replace(raw=raw, input=value)
    limit = None if program.timeout is None else draft.now_ms + span(draft, program.timeout, root)
    return dispatch.begin(draft, root._replace(timeout_at=limit))


def retry(draft: Draft, point: ResumePoint, event: RetryRequested) -> None:
    """Resume a faulted run at the task that failed."""
    resumption.take_up(draft, point, event)
    if point.failed.how == failures.FINISH:
        finish(draft, point.failed.path, point.failed.output)
    else:
        run_agenda(draft)
