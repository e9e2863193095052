"""Why an event of a task is stale: None, or the reason. A stale timer also adds the command for its row."""

from visapi_engine.machine.commands import DropTimer, SetTimer
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.events import (
    ChildEnded,
    Decided,
    EventArrived,
    Resolved,
    TaskCompleted,
    TaskFaulted,
    TaskUncertain,
    TimerFired,
    Told,
)
from visapi_engine.machine.nodes import call
from visapi_engine.machine.state import ApproveFrame, CallFrame, ChildFrame, Frame, ListenFrame

_OF_TASKS = (TaskCompleted, TaskFaulted, TaskUncertain, Resolved)


def why_stale(draft: Draft, event: Told) -> str | None:
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


def why_stale_while_suspended(draft: Draft, event: Told) -> str | None:
    """As `why_stale`, but a deferred event counts as if the run had acted on it."""
    if isinstance(event, EventArrived):
        listening = any(isinstance(frame, ListenFrame) for frame in draft.frames.values())
        return None if listening else "nothing listens"
    if isinstance(event, ChildEnded):
        known = any(isinstance(kept, ChildEnded) and kept.path == event.path for kept in draft.deferred)
        return f"the end of {event.child} is recorded already" if known else why_stale(draft, event)
    if isinstance(event, TimerFired):
        known = any(isinstance(kept, TimerFired) and kept.id == event.id for kept in draft.deferred)
        return f"the timer {event.id} is recorded already" if known else _stale_timer(draft, event)
    if isinstance(event, Decided):
        known = any(isinstance(kept, Decided) and kept.path == event.path for kept in draft.deferred)
        return f"the decision on {event.path} is recorded already" if known else why_stale(draft, event)
    kept = [kept for kept in draft.deferred if isinstance(kept, _OF_TASKS) and kept.path == event.path]
    if any(not isinstance(earlier, TaskUncertain) for earlier in kept):
        return f"the outcome of {event.path} is recorded already"
    if isinstance(event, Resolved) and kept:
        return None
    if isinstance(event, TaskUncertain) and kept:
        return f"{event.path} is known to be uncertain"
    return why_stale(draft, event)


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
