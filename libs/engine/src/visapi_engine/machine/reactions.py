"""The reaction of an open run to each kind of event: None, or the reason why the event changed nothing."""

from typing import Any, assert_never

from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.machine import arrivals, dispatch, failures, history, resumption
from visapi_engine.machine.admission import admission_of
from visapi_engine.machine.commands import DropRun, DropTask, DropTimer, SetTimer
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import checked, evaluate, span
from visapi_engine.machine.events import (
    CancelRequested,
    ChildEnded,
    Decided,
    EngineFailed,
    Event,
    EventArrived,
    Resolved,
    ResumeRequested,
    RetryRequested,
    Started,
    SuspendRequested,
    TaskCompleted,
    TaskFaulted,
    TaskUncertain,
    TimerFired,
    Told,
)
from visapi_engine.machine.faults import TaskFault, runtime_fault, timeout_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.lifecycle import cancel_workflow, finish, run_agenda, settle
from visapi_engine.machine.nodes import approve, call, run_
from visapi_engine.machine.outcomes import Faulted, Outcome
from visapi_engine.machine.paths import CONTINUE, TIMEOUT, split_timer_id
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.state import ApproveFrame, CallFrame, ChildFrame, Frame, ListenFrame, ResumePoint
from visapi_engine.machine.values import UnreadableValue, read_json
from visapi_engine.model.program import ApproveNode, CallNode, RunNode

_OF_TASKS = (TaskCompleted, TaskFaulted, TaskUncertain, Resolved)


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


def react(draft: Draft, event: Event) -> str | None:
    """Act on an event of a run that has not ended."""
    match event:
        case Started():
            return "the run has started already"
        case (
            TaskCompleted()
            | TaskFaulted()
            | TaskUncertain()
            | TimerFired()
            | Resolved()
            | EventArrived()
            | ChildEnded()
            | Decided()
        ):
            return _defer(draft, event) if draft.status is RunStatus.SUSPENDED else _act(draft, event)
        case CancelRequested():
            cancel_workflow(draft, {"actor": event.actor, "reason": event.reason}, by_parent=event.by_parent)
        case SuspendRequested():
            return _suspend(draft, event)
        case ResumeRequested():
            return _resume(draft, event)
        case RetryRequested():
            return _asked_to_go_on(draft, event)
        case EngineFailed():
            raise AssertionError("a run is abandoned before it is asked")
        case _:
            assert_never(event)
    return None


def _asked_to_go_on(draft: Draft, event: RetryRequested) -> str | None:
    """A run that has not faulted records the number of the parent's request, which `ChildEnded` repeats."""
    if event.resume_count <= draft.resume_count:
        return "the run has not faulted"
    draft.resume_count = event.resume_count
    return None


def _act(draft: Draft, event: Told) -> str | None:
    stale = _stale(draft, event)
    if stale is not None:
        return stale
    if isinstance(event, EventArrived):
        return arrivals.offer(draft, event)
    path, timer = split_timer_id(event.id) if isinstance(event, TimerFired) else (event.path, None)
    if timer != CONTINUE:
        task = draft.frames.task_at(path)
        try:
            outcome = _outcome(draft, task, event) if timer is None else _timer_outcome(draft, task, timer)
        except TaskFault as fault:
            outcome = Faulted(fault.error)
        settle(draft, task, outcome)
    run_agenda(draft)
    return None


def _stale(draft: Draft, event: Told) -> str | None:
    """Why an event concerns no open task."""
    if isinstance(event, TimerFired):
        return _stale_timer(draft, event)
    if isinstance(event, EventArrived):
        return None
    frame = draft.frames.get(event.path)
    match event, frame:
        case ChildEnded(child=child), ChildFrame() if frame.child == child:
            current = event.resume_count == frame.resume_count
            return None if current else f"the run {child} was resumed since"
        case ChildEnded(child=child), _:
            return f"nothing waits for the run {child} at {event.path}"
        case Decided(approval=approval, decision=decision), ApproveFrame() if frame.approval == approval:
            return None if decision in frame.choices else f"{decision!r} is none of the choices"
        case Decided(), _:
            return f"no approval is open at {event.path}"
        case _:
            return _stale_answer(draft, event, frame)


def _stale_answer(
    draft: Draft, event: TaskCompleted | TaskFaulted | TaskUncertain | Resolved, frame: Frame | None
) -> str | None:
    if not isinstance(frame, CallFrame):
        return f"no task is open at {event.path}"
    if isinstance(event, Resolved):
        return None if frame.held else f"{event.path} is not uncertain"
    if event.attempt != frame.attempt:
        return f"attempt {event.attempt} of {event.path} is over, attempt {frame.attempt} is open"
    if isinstance(event, TaskUncertain) and frame.held:
        return f"{event.path} is known to be uncertain"
    if isinstance(event, TaskFaulted | TaskUncertain) and call.left_to_timer(draft, event):
        return f"the time of {event.path} is over: its timer says so"
    return None


def _stale_timer(draft: Draft, event: TimerFired) -> str | None:
    due = draft.due_at(event.id)
    if due is None:
        draft.commands.append(DropTimer(event.id))
        return f"nothing waits for the timer {event.id}"
    if draft.now_ms < due:
        # The sender of the early event has deleted the timer's row.
        draft.commands.append(SetTimer(event.id, due))
        return f"the timer {event.id} is due in {due - draft.now_ms} ms"
    return None


def _outcome(draft: Draft, task: Task, event: Told) -> Outcome:
    node, frame = task.node, draft.frames[task.path]
    if isinstance(event, ChildEnded):
        assert isinstance(node, RunNode)
        assert isinstance(frame, ChildFrame)
        return run_.ended(draft, task, node, frame, event)
    if isinstance(event, Decided):
        assert isinstance(node, ApproveNode)
        assert isinstance(frame, ApproveFrame)
        return approve.decided(draft, task, frame, event)
    assert isinstance(node, CallNode)
    assert isinstance(frame, CallFrame)
    match event:
        case TaskCompleted():
            return call.completed(draft, task, node, frame, output=event.output, read=event.read)
        case TaskFaulted():
            return call.faulted(draft, task, event.error)
        case TaskUncertain():
            return call.uncertain(draft, task, node, frame, event.error)
        case Resolved():
            return call.resolved(draft, task, node, frame, decision=event.decision, output=event.output)
        case EventArrived() | TimerFired():
            raise AssertionError(f"{type(event).__name__} has no outcome of its own")
        case _:
            assert_never(event)


def _timer_outcome(draft: Draft, task: Task, kind: str) -> Outcome:
    if kind != TIMEOUT:
        return dispatch.timer_fired(draft, task, kind)
    failures.remember(draft, task, failures.REOPEN)
    draft.abort(task.path)
    what = "the workflow" if task.path == ROOT else f"the task {task.node.name!r}"
    detail = f"{what} took longer than its timeout allows"
    if isinstance(task.node, CallNode):
        detail += "; what it asked for may have happened all the same"
    return Faulted(timeout_fault(task.node.pointer, detail).error)


def _suspend(draft: Draft, event: SuspendRequested) -> str | None:
    if draft.status is RunStatus.SUSPENDED:
        return "the run is suspended already"
    draft.status = RunStatus.SUSPENDED
    draft.note(history.WORKFLOW_SUSPENDED, data={"actor": event.actor, "reason": event.reason})
    return None


def _resume(draft: Draft, event: ResumeRequested) -> str | None:
    """Act on the deferred events in order, at the time of the resumption.

    Decisions come first: each was made before its deadline, but its timer may have arrived earlier.
    """
    if draft.status is not RunStatus.SUSPENDED:
        return "the run is not suspended"
    draft.status = RunStatus.RUNNING
    draft.note(history.WORKFLOW_RESUMED, data={"actor": event.actor, "reason": event.reason})
    draft.deferred = sorted(draft.deferred, key=lambda one: not isinstance(one, Decided))
    while draft.deferred and draft.status not in ENDED:
        earlier, *draft.deferred = draft.deferred
        react(draft, earlier)
    return None


def _defer(draft: Draft, event: Told) -> str | None:
    """Defer an event of a suspended run: its row is consumed now, its consequences follow the resumption."""
    stale = _stale_while_suspended(draft, event)
    if stale is not None:
        return stale
    draft.deferred = [*draft.deferred, event]
    match event:
        case TaskCompleted() | TaskFaulted():
            draft.commands.append(DropTask(event.path))
        case TaskUncertain():
            node = draft.frames.node_at(event.path)
            assert isinstance(node, CallNode)
            draft.commands.append(call.hold(event.path, node, event.attempt, event.error))
        case TimerFired():
            draft.commands.append(DropTimer(event.id))
        case ChildEnded():
            draft.commands.append(DropRun(event.path, event.child))
        case Resolved() | EventArrived() | Decided():
            pass
    return None


def _stale_while_suspended(draft: Draft, event: Told) -> str | None:
    """As `_stale`, but a deferred event counts as if the run had acted on it."""
    if isinstance(event, EventArrived):
        listening = any(isinstance(frame, ListenFrame) for frame in draft.frames.values())
        return None if listening else "nothing listens"
    if isinstance(event, ChildEnded):
        known = any(isinstance(kept, ChildEnded) and kept.path == event.path for kept in draft.deferred)
        return f"the end of {event.child} is recorded already" if known else _stale(draft, event)
    if isinstance(event, TimerFired):
        known = any(isinstance(kept, TimerFired) and kept.id == event.id for kept in draft.deferred)
        return f"the timer {event.id} is recorded already" if known else _stale_timer(draft, event)
    if isinstance(event, Decided):
        known = any(isinstance(kept, Decided) and kept.path == event.path for kept in draft.deferred)
        return f"the decision on {event.path} is recorded already" if known else _stale(draft, event)
    kept = [kept for kept in draft.deferred if isinstance(kept, _OF_TASKS) and kept.path == event.path]
    if any(not isinstance(earlier, TaskUncertain) for earlier in kept):
        return f"the outcome of {event.path} is recorded already"
    if isinstance(event, Resolved) and kept:
        return None
    if isinstance(event, TaskUncertain) and kept:
        return f"{event.path} is known to be uncertain"
    return _stale(draft, event)
