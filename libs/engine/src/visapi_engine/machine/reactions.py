"""What each kind of event does to an open run. Each reaction answers why it changed nothing, or None."""

from typing import Any, assert_never

from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.machine import arrivals, dispatch, failures, history, resumption
from visapi_engine.machine.admission import admission_of
from visapi_engine.machine.commands import DropRun, DropTask, DropTimer, HoldTask, SetTimer
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
from visapi_engine.machine.lifecycle import cancel_workflow, finish, run_agenda, settle
from visapi_engine.machine.nodes import approve, call, run_
from visapi_engine.machine.outcomes import Faulted, Outcome
from visapi_engine.machine.paths import CONTINUE, TIMEOUT, split_timer_id
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.state import ApproveFrame, CallFrame, ChildFrame, Frame, ListenFrame, ResumePoint
from visapi_engine.machine.transition import Task, Transition
from visapi_engine.machine.values import UnreadableValue, read_json
from visapi_engine.model.program import ApproveNode, CallNode, RunNode

_OF_TASKS = (TaskCompleted, TaskFaulted, TaskUncertain, Resolved)


def start(tx: Transition, event: Started) -> None:
    """Begin a run: validate and transform its input, open the workflow, enter its first task."""
    root = Task(tx.plan.nodes[ROOT], ROOT, ROOT, None, None, tx.now_ms)
    tx.note(history.WORKFLOW_STARTED)
    try:
        raw = read_json(event.input)
        outcome = _open_workflow(tx, root, raw)
    except UnreadableValue as wrong:
        outcome = Faulted(runtime_fault(ROOT, "Unreadable input", f"the input is no JSON: {wrong}").error)
    except TaskFault as fault:
        outcome = Faulted(fault.error)
    settle(tx, root, outcome)
    run_agenda(tx)


def _open_workflow(tx: Transition, root: Task, raw: Any) -> Outcome:
    program = tx.plan.program
    if tx.plan.uses_workflow or tx.plan.attributes:
        tx.workflow_input = raw
    checked(tx, program.input_schema, root, raw)
    if program.settings is not None:
        tx.admission = admission_of(tx, root, program.settings, raw)
    value = raw if program.input_from is None else evaluate(tx, program.input_from, root, raw)
    if tx.plan.uses_context:
        tx.context = value
    root = root._replace(raw=raw, input=value)
    limit = None if program.timeout is None else tx.now_ms + span(tx, program.timeout, root)
    return dispatch.begin(tx, root._replace(timeout_at=limit))


def retry(tx: Transition, point: ResumePoint, event: RetryRequested) -> None:
    """Take a faulted run up again where its task failed."""
    resumption.take_up(tx, point, event)
    if point.failed.how == failures.FINISH:
        finish(tx, point.failed.path, point.failed.output)
    else:
        run_agenda(tx)


def react(tx: Transition, event: Event) -> str | None:
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
            return _defer(tx, event) if tx.status is RunStatus.SUSPENDED else _act(tx, event)
        case CancelRequested():
            cancel_workflow(tx, {"actor": event.actor, "reason": event.reason}, by_parent=event.by_parent)
        case SuspendRequested():
            return _suspend(tx, event)
        case ResumeRequested():
            return _resume(tx, event)
        case RetryRequested():
            return _asked_to_go_on(tx, event)
        case EngineFailed():
            raise AssertionError("a run is abandoned before it is asked")
        case _:
            assert_never(event)
    return None


def _asked_to_go_on(tx: Transition, event: RetryRequested) -> str | None:
    """A run that goes on anyhow needs to know only that its parent has asked, to say so at its end."""
    if event.taken_up <= tx.taken_up:
        return "the run has not faulted"
    tx.taken_up = event.taken_up
    return None


def _act(tx: Transition, event: Told) -> str | None:
    stale = _stale(tx, event)
    if stale is not None:
        return stale
    if isinstance(event, EventArrived):
        return arrivals.offer(tx, event)
    if isinstance(event, TimerFired) and split_timer_id(event.id)[1] == CONTINUE:
        run_agenda(tx)
        return None
    path = split_timer_id(event.id)[0] if isinstance(event, TimerFired) else event.path
    task = tx.task_at(path)
    try:
        outcome = _outcome(tx, task, event)
    except TaskFault as fault:
        outcome = Faulted(fault.error)
    settle(tx, task, outcome)
    run_agenda(tx)
    return None


def _stale(tx: Transition, event: Told) -> str | None:
    """Why an event is of no concern to what is open now."""
    if isinstance(event, TimerFired):
        return _stale_timer(tx, event)
    if isinstance(event, EventArrived):
        return None
    frame = tx.frames.get(event.path)
    match event, frame:
        case ChildEnded(child=child), ChildFrame() if frame.child == child:
            return None if event.taken_up == frame.taken_up else f"{child} has been asked to go on since"
        case ChildEnded(child=child), _:
            return f"nothing waits for the run {child} at {event.path}"
        case Decided(approval=approval, decision=decision), ApproveFrame() if frame.approval == approval:
            return None if decision in frame.choices else f"{decision!r} is none of the choices"
        case Decided(), _:
            return f"no approval is open at {event.path}"
        case _:
            return _stale_answer(tx, event, frame)


def _stale_answer(
    tx: Transition, event: TaskCompleted | TaskFaulted | TaskUncertain | Resolved, frame: Frame | None
) -> str | None:
    if not isinstance(frame, CallFrame):
        return f"no task is open at {event.path}"
    if isinstance(event, Resolved):
        return None if frame.held else f"{event.path} is not uncertain"
    if event.attempt != frame.attempt:
        return f"attempt {event.attempt} of {event.path} is over, attempt {frame.attempt} is open"
    if isinstance(event, TaskUncertain) and frame.held:
        return f"{event.path} is known to be uncertain"
    if isinstance(event, TaskFaulted | TaskUncertain) and call.left_to_timer(tx, event):
        return f"the time of {event.path} is over: its timer says so"
    return None


def _stale_timer(tx: Transition, event: TimerFired) -> str | None:
    due = tx.due_at(event.id)
    if due is None:
        tx.commands.append(DropTimer(event.id))
        return f"nothing waits for the timer {event.id}"
    if tx.now_ms < due:
        # Whoever told of it too early has taken its row.
        tx.commands.append(SetTimer(event.id, due))
        return f"the timer {event.id} is due in {due - tx.now_ms} ms"
    return None


def _outcome(tx: Transition, task: Task, event: Told) -> Outcome:
    if isinstance(event, TimerFired):
        return _timer_outcome(tx, task, event)
    node, frame = task.node, tx.frames[task.path]
    if isinstance(event, ChildEnded):
        assert isinstance(node, RunNode)
        assert isinstance(frame, ChildFrame)
        return run_.ended(tx, task, node, frame, event)
    if isinstance(event, Decided):
        assert isinstance(node, ApproveNode)
        assert isinstance(frame, ApproveFrame)
        return approve.decided(tx, task, frame, event)
    assert isinstance(node, CallNode)
    assert isinstance(frame, CallFrame)
    match event:
        case TaskCompleted():
            return call.completed(tx, task, node, frame, output=event.output, read=event.read)
        case TaskFaulted():
            return call.faulted(tx, task, event.error)
        case TaskUncertain():
            return call.uncertain(tx, task, node, frame, event.error)
        case Resolved():
            return call.resolved(tx, task, node, frame, decision=event.decision, output=event.output)
        case EventArrived():
            raise AssertionError("an event has no task of its own")
        case _:
            assert_never(event)


def _timer_outcome(tx: Transition, task: Task, event: TimerFired) -> Outcome:
    kind = split_timer_id(event.id)[1]
    if kind != TIMEOUT:
        return dispatch.timer_fired(tx, task, kind)
    failures.remember(tx, task, failures.REOPEN)
    tx.abort(task.path)
    what = "the workflow" if task.path == ROOT else f"the task {task.node.name!r}"
    detail = f"{what} took longer than its timeout allows"
    if isinstance(task.node, CallNode):
        detail += "; what it asked for may have happened all the same"
    return Faulted(timeout_fault(task.node.pointer, detail).error)


def _suspend(tx: Transition, event: SuspendRequested) -> str | None:
    if tx.status is RunStatus.SUSPENDED:
        return "the run is suspended already"
    tx.status = RunStatus.SUSPENDED
    tx.note(history.WORKFLOW_SUSPENDED, data={"actor": event.actor, "reason": event.reason})
    return None


def _resume(tx: Transition, event: ResumeRequested) -> str | None:
    """Act on what the run was told meanwhile, in order, at the time of the resumption.

    Decisions come first: each was made before its deadline, which may have been told before it.
    """
    if tx.status is not RunStatus.SUSPENDED:
        return "the run is not suspended"
    tx.status = RunStatus.RUNNING
    tx.note(history.WORKFLOW_RESUMED, data={"actor": event.actor, "reason": event.reason})
    tx.deferred = sorted(tx.deferred, key=lambda one: not isinstance(one, Decided))
    while tx.deferred and tx.status not in ENDED:
        earlier, *tx.deferred = tx.deferred
        react(tx, earlier)
    return None


def _defer(tx: Transition, event: Told) -> str | None:
    """Keep what a suspended run is told; its row is consumed, what follows from it waits."""
    stale = _stale_while_suspended(tx, event)
    if stale is not None:
        return stale
    tx.deferred = [*tx.deferred, event]
    match event:
        case TaskCompleted() | TaskFaulted():
            tx.commands.append(DropTask(event.path))
        case TaskUncertain():
            node = tx.node_at(event.path)
            assert isinstance(node, CallNode)
            tx.commands.append(HoldTask(event.path, event.attempt, node.function))
        case TimerFired():
            tx.commands.append(DropTimer(event.id))
        case ChildEnded():
            tx.commands.append(DropRun(event.path, event.child))
        case Resolved() | EventArrived() | Decided():
            pass
    return None


def _stale_while_suspended(tx: Transition, event: Told) -> str | None:
    """As `_stale`, but what was already kept counts as if it had been acted on."""
    if isinstance(event, EventArrived):
        listening = any(isinstance(frame, ListenFrame) for frame in tx.frames.values())
        return None if listening else "nothing listens"
    if isinstance(event, ChildEnded):
        known = any(isinstance(kept, ChildEnded) and kept.path == event.path for kept in tx.deferred)
        return f"the end of {event.child} is recorded already" if known else _stale(tx, event)
    if isinstance(event, TimerFired):
        known = any(isinstance(kept, TimerFired) and kept.id == event.id for kept in tx.deferred)
        return f"the timer {event.id} is recorded already" if known else _stale_timer(tx, event)
    if isinstance(event, Decided):
        known = any(isinstance(kept, Decided) and kept.path == event.path for kept in tx.deferred)
        return f"the decision on {event.path} is recorded already" if known else _stale(tx, event)
    kept = [kept for kept in tx.deferred if isinstance(kept, _OF_TASKS) and kept.path == event.path]
    if any(not isinstance(earlier, TaskUncertain) for earlier in kept):
        return f"the outcome of {event.path} is recorded already"
    if isinstance(event, Resolved) and kept:
        return None
    if isinstance(event, TaskUncertain) and kept:
        return f"{event.path} is known to be uncertain"
    return _stale(tx, event)
