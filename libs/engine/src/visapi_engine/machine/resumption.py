"""Resuming a faulted run (`POST /v1/runs/{id}/retry`).

The resume point is the run at the failure of its task (`failures`). The failed task begins anew, or is
requested again under its effect key. Completed tasks stay completed; other open tasks are requested again.
"""

from collections.abc import Collection

import msgspec

from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine import history, paths
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import span
from visapi_engine.machine.events import RetryRequested
from visapi_engine.machine.failures import ENTER, FINISH, REOPEN
from visapi_engine.machine.nodes import approve, call, listen, run_
from visapi_engine.machine.plan import ROOT, Plan, pointer_of
from visapi_engine.machine.state import (
    ApproveFrame,
    CallFrame,
    ChildFrame,
    Failed,
    Frame,
    ListenFrame,
    Pending,
    ResumePoint,
    State,
    TryFrame,
    WaitFrame,
)
from visapi_engine.machine.values import read_json
from visapi_engine.model.program import CallNode, ListenNode, Node, RunNode, TryNode


def misfits(old: Plan, new: Plan, point: ResumePoint) -> list[str]:
    """Why a run cannot resume with another definition, which must have all open tasks, of the same kinds."""
    wanted = {pointer_of(old, path) for path in point.frames}
    wanted |= {step.pointer for step in point.agenda} | {point.failed.pointer}
    found: list[str] = []
    for pointer in sorted(wanted):
        before, after = old.nodes[pointer], new.nodes.get(pointer)
        if after is None:
            found.append(f"{pointer} is not there")
        elif type(before) is not type(after):
            found.append(f"{pointer} is another construct")
        elif old.widths[pointer] != new.widths[pointer]:
            found.append(f"{pointer} stands in other loops")
        elif _called(before) != _called(after):
            what = "workflow" if isinstance(before, RunNode) else "function"
            found.append(f"{pointer} calls another {what}")
    return found


def _called(node: Node) -> object:
    match node:
        case CallNode():
            return node.function
        case RunNode():
            return node.namespace, node.workflow
        case _:
            return None


def takes_input(plan: Plan, point: ResumePoint) -> bool:
    """Whether a retry may replace the input of the failed task: the task begins anew, calls or listens."""
    node = plan.nodes[point.failed.pointer]
    return point.failed.how == ENTER or (
        point.failed.how == REOPEN and isinstance(node, (CallNode, ListenNode))
    )


def children_of(point: ResumePoint) -> list[str]:
    """The child runs that resume with this run."""
    failed = point.failed
    return [
        frame.child
        for path, frame in point.frames.items()
        if isinstance(frame, ChildFrame) and not (failed.how == FINISH and failed.path == path)
    ]


def restored(state: State) -> State:
    """The state of a faulted run as it stood when its task failed."""
    point = state.resume
    assert point is not None, "the run cannot be taken up again"
    return State(
        run=state.run,
        started=state.started,
        status=RunStatus.RUNNING,
        frames=point.frames,
        context=state.context,
        input=state.input,
        agenda=point.agenda,
        attempts=state.attempts,
        resume_count=state.resume_count,
        admission=state.admission,
    )


def not_begun(plan: Plan, point: ResumePoint, children: Collection[str]) -> ResumePoint:
    """The point without child runs that were never started: the tasks of these begin anew."""
    frames, agenda = dict(point.frames), list(point.agenda)
    for path, frame in point.frames.items():
        if isinstance(frame, ChildFrame) and frame.child in children:
            del frames[path]
            agenda.append(Pending(pointer_of(plan, path), path, frame.parent, frame.raw))
    return msgspec.structs.replace(point, frames=frames, agenda=agenda)


def take_up(draft: Draft, point: ResumePoint, event: RetryRequested) -> None:
    """Open again what was open, and put a task that is begun anew on the agenda."""
    failed = point.failed
    draft.resume_count = max(draft.resume_count, event.resume_count)
    data = {"actor": event.actor, "reason": event.reason, "retried": failed.pointer}
    draft.note(history.WORKFLOW_RESUMED, data=data)
    if event.input is not None and failed.how == REOPEN:
        _begin_anew(draft, failed)
    for path, frame in list(draft.frames.items()):
        _restart_clocks(draft, path, frame, point)
        if path not in (ROOT, failed.path):
            draft.note(history.TASK_RESUMED, draft.frames.node_at(path))
        if not (failed.how == FINISH and path == failed.path):
            _ask_again(draft, path, frame, event)
    if failed.how == ENTER:
        raw = failed.raw if event.input is None else read_json(event.input)
        draft.agenda.append(Pending(failed.pointer, failed.path, failed.parent, raw))


def _begin_anew(draft: Draft, failed: Failed) -> None:
    """Another input makes other arguments: the task begins anew, as the next attempt at its effect."""
    frame = draft.frames.pop(failed.path)
    if isinstance(frame, CallFrame):
        draft.attempts = {**draft.attempts, failed.path: frame.attempt}
    failed.how = ENTER


def _restart_clocks(draft: Draft, path: str, frame: Frame, point: ResumePoint) -> None:
    """Timeouts continue with the time that was left; an expired one gets its whole time again."""
    passed = draft.now_ms - point.at
    if isinstance(frame, ApproveFrame):
        _ask_longer(draft, frame, point)
    if frame.timeout_at is not None:
        if frame.timeout_at <= point.at:
            frame.timeout_at = draft.now_ms + frame.timeout_at - frame.started
            frame.started = draft.now_ms
        else:
            frame.timeout_at += passed
        draft.set_timer(path, paths.TIMEOUT, frame.timeout_at)
    if isinstance(frame, TryFrame):
        if frame.retry_at is not None:
            draft.set_timer(path, paths.RETRY, frame.retry_at)
        if frame.attempt_at is not None:
            frame.attempt_at = _attempt_at(draft, path, frame.attempt_at, point)
            draft.set_timer(path, paths.ATTEMPT, frame.attempt_at)


def _ask_longer(draft: Draft, frame: ApproveFrame, point: ResumePoint) -> None:
    """Shift the deadline as a timeout, and the escalation by the time that has passed."""
    passed = draft.now_ms - point.at
    if frame.escalate_at is not None:
        frame.escalate_at += passed
    if frame.due is not None and frame.due <= point.at:
        frame.due = draft.now_ms + frame.due - frame.asked
        frame.asked = draft.now_ms
    elif frame.due is not None:
        frame.due += passed


def _attempt_at(draft: Draft, path: str, attempt_at: int, point: ResumePoint) -> int:
    if attempt_at > point.at:
        return attempt_at + draft.now_ms - point.at
    task = draft.frames.task_at(path)
    retry = task.node.retry if isinstance(task.node, TryNode) else None
    limit = None if retry is None else retry.attempt_duration
    return draft.now_ms + (0 if limit is None else span(draft, limit, task))


def _ask_again(draft: Draft, path: str, frame: Frame, event: RetryRequested) -> None:
    task = draft.frames.task_at(path)
    match frame, task.node:
        case CallFrame(), CallNode() as node:
            call.reopen(draft, task, node, frame)
        case ChildFrame(), _:
            run_.reopen(draft, task, frame, event.reason)
        case ApproveFrame(), _:
            approve.reopen(draft, task, frame)
        case WaitFrame(), _:
            draft.set_timer(path, paths.WAIT, frame.due)
        case ListenFrame(), ListenNode() as node:
            listen.subscribe(draft, task, node, frame)
        case _:
            return
