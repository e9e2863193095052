"""The resume point: a snapshot of a run at the failure of a task, used if no `try` catches the error."""

import copy
from typing import Any

from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.frames import Task
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.state import (
    ApproveFrame,
    CallFrame,
    ChildFrame,
    Failed,
    ListenFrame,
    ResumePoint,
    WaitFrame,
)

ENTER, REOPEN, FINISH = "enter", "reopen", "finish"
"""How a retry resumes the failed task (`state.Failed`)."""


def remember(draft: Draft, task: Task, how: str, output: Any = None) -> None:
    """Take the snapshot before `task` fails; the innermost failure counts."""
    if draft.failing is not None:
        return
    frames = {path: copy.copy(frame) for path, frame in draft.frames.items()}
    agenda = list(draft.agenda)
    if how == ENTER:
        frames.pop(task.path, None)
        agenda = [step for step in agenda if step.parent != task.path]
    failed = Failed(task.node.pointer, task.path, task.parent, how, None, output)
    if how == ENTER:
        failed.raw = task.raw
    draft.failing = ResumePoint(failed, draft.now_ms, frames, agenda)


def point_of(draft: Draft) -> ResumePoint | None:
    """The resume point of a run that fails now; None if the run could not resume there, or might repeat an
    effect. A suspended run with results that it has not acted on cannot resume either.
    """
    point = draft.failing
    if point is None or (point.failed.how == ENTER and point.failed.path == ROOT):
        return None
    if draft.deferred or _holds_an_effect(point):
        return None
    return point if point.failed.how != REOPEN or _goes_on(point) else None


def stopped(draft: Draft) -> ResumePoint | None:
    """The resume point of a run that is cancelled because its parent failed.

    None for a suspended run: the person who suspended it wants it to stand still.
    """
    if draft.status is RunStatus.SUSPENDED or ROOT not in draft.frames:
        return None
    frames = {path: copy.copy(frame) for path, frame in draft.frames.items()}
    point = ResumePoint(Failed(ROOT, ROOT, "", REOPEN), draft.now_ms, frames, list(draft.agenda))
    return None if _holds_an_effect(point) else point


def _holds_an_effect(point: ResumePoint) -> bool:
    """Whether an uncertain effect waits for a decision: another request could repeat the effect."""
    return any(isinstance(frame, CallFrame) and frame.held for frame in point.frames.values())


def _goes_on(point: ResumePoint) -> bool:
    """Whether the reopened task waits for something; a construct whose own expression failed does not."""
    path = point.failed.path
    frame = point.frames.get(path)
    if isinstance(frame, CallFrame | WaitFrame | ApproveFrame | ChildFrame):
        return True
    if isinstance(frame, ListenFrame) and not frame.busy:
        return True
    return any(inner != path and frame.parent == path for inner, frame in point.frames.items()) or any(
        step.parent == path for step in point.agenda
    )
