"""The reaction of an open run to each kind of event: None, or the reason why the event changed nothing."""

from typing import assert_never

from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.machine import arrivals, dispatch, failures, history
from visapi_engine.machine.commands import DropRun, DropTask, DropTimer
from visapi_engine.machine.draft import Draft
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
from visapi_engine.machine.faults import TaskFault, timeout_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.lifecycle import cancel_workflow, run_agenda, settle
from visapi_engine.machine.nodes import approve, call, run_
from visapi_engine.machine.outcomes import Faulted, Outcome
from visapi_engine.machine.paths import CONTINUE, TIMEOUT, split_timer_id
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.staleness import why_stale, why_stale_while_suspended
from visapi_engine.machine.state import ApproveFrame, CallFrame, ChildFrame
from visapi_engine.model.program import ApproveNode, CallNode, RunNode


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
    stale = why_stale(draft, event)
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
    stale = why_stale_while_suspended(draft, event)
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
