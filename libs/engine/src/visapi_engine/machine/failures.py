"""Remembering a run as it stands when a task of it fails: the resume point, if nothing catches the error."""

import copy
from typing import Any

from visapi_common.contracts.runs import RunStatus
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
from visapi_engine.machine.transition import Task, Transition

ENTER, REOPEN, FINISH = "enter", "reopen", "finish"
"""How a failed task is taken up (`state.Failed`)."""


def remember(tx: Transition, task: Task, how: str, output: Any = None) -> None:
    """Remember the run as it stands before `task` fails; the innermost failure counts."""
    if tx.failing is not None:
        return
    frames = {path: copy.copy(frame) for path, frame in tx.frames.items()}
    agenda = list(tx.agenda)
    if how == ENTER:
        frames.pop(task.path, None)
        agenda = [step for step in agenda if step.parent != task.path]
    failed = Failed(task.node.pointer, task.path, task.parent, how, None, output)
    if how == ENTER:
        failed.raw = task.raw
    tx.failing = ResumePoint(failed, tx.now_ms, frames, agenda)


def point_of(tx: Transition) -> ResumePoint | None:
    """The resume point of a run that fails now; None when it could not go on from there, or not without
    doing something twice. Results that a suspended run was told and has not acted on count among those.
    """
    point = tx.failing
    if point is None or (point.failed.how == ENTER and point.failed.path == ROOT):
        return None
    if tx.deferred or _holds_an_effect(point):
        return None
    return point if point.failed.how != REOPEN or _goes_on(point) else None


def stopped(tx: Transition) -> ResumePoint | None:
    """The resume point of a run that is cancelled because the run that waits for it failed.

    None of a suspended one: whoever suspended it wants it to stand still.
    """
    if tx.status is RunStatus.SUSPENDED or ROOT not in tx.frames:
        return None
    frames = {path: copy.copy(frame) for path, frame in tx.frames.items()}
    point = ResumePoint(Failed(ROOT, ROOT, "", REOPEN), tx.now_ms, frames, list(tx.agenda))
    return None if _holds_an_effect(point) else point


def _holds_an_effect(point: ResumePoint) -> bool:
    """An effect that may have happened waits for a decision: asking for it again could do it twice."""
    return any(isinstance(frame, CallFrame) and frame.held for frame in point.frames.values())


def _goes_on(point: ResumePoint) -> bool:
    """Whether the reopened task waits for something: a construct whose own expression failed does not."""
    path = point.failed.path
    frame = point.frames.get(path)
    if isinstance(frame, CallFrame | WaitFrame | ApproveFrame | ChildFrame):
        return True
    if isinstance(frame, ListenFrame) and not frame.busy:
        return True
    return any(inner != path and frame.parent == path for inner, frame in point.frames.items()) or any(
        step.parent == path for step in point.agenda
    )
