"""End a run that cannot be advanced at all: it killed its process, or its program is unreadable.

Needs neither program nor expressions, so the caller needs neither.
"""

from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import RunStatus, TaskRef
from visapi_engine.machine import history
from visapi_engine.machine.commands import CloseApproval, Command, DropRun, DropTask, DropTimer, Unsubscribe
from visapi_engine.machine.faults import plain
from visapi_engine.machine.frames import timers_of
from visapi_engine.machine.history import Entry
from visapi_engine.machine.paths import CONTINUE, timer_id
from visapi_engine.machine.plan import ROOT
from visapi_engine.machine.result import Advance
from visapi_engine.machine.state import (
    ApproveFrame,
    CallFrame,
    ChildFrame,
    ExtendFrame,
    Frame,
    ListenFrame,
    State,
)


def abandon(state: State | None, *, run: str, now_ms: int, error: WorkflowError) -> Advance:
    """The run faulted with `error`; whatever it had open is cancelled, innermost first."""
    frames: dict[str, Frame] = {} if state is None else state.frames
    commands: list[Command] = []
    entries: list[Entry] = []
    if state is not None and state.slices:
        commands.append(DropTimer(timer_id(ROOT, CONTINUE)))
    for path, frame in reversed(frames.items()):
        commands += _dropped(path, frame, now_ms)
        if path != ROOT and not isinstance(frame, ExtendFrame):
            entries.append(Entry(history.TASK_CANCELLED, now_ms, _task(path)))
    entries.append(Entry(history.WORKFLOW_FAULTED, now_ms, data={"error": plain(error)}))
    started = now_ms if state is None else state.started
    # A retry that failed leaves the resume point as it was, so that the run can be retried once more.
    resume = None if state is None else state.resume
    admission = None if state is None else state.admission
    ended = State(
        run=run,
        started=started,
        status=RunStatus.FAULTED,
        resume_count=0 if state is None else state.resume_count,
        resume=resume,
        admission=admission,
    )
    return Advance(ended, commands, entries, error=error)


def _dropped(path: str, frame: Frame, now_ms: int) -> list[Command]:
    tasks: list[Command] = []
    if isinstance(frame, CallFrame):
        tasks.append(DropTask(path, cancelled=True))
    if isinstance(frame, ChildFrame):
        tasks.append(DropRun(path, frame.child, cancelled=True))
    if isinstance(frame, ListenFrame):
        tasks.append(Unsubscribe(path))
    if isinstance(frame, ApproveFrame):
        tasks.append(CloseApproval.of(frame, now_ms))
    return [*tasks, *(DropTimer(timer_id(path, kind)) for kind in timers_of(frame))]


def _task(path: str) -> TaskRef:
    """The task of a path. Without a program, the name is the last part of the pointer."""
    pointer, _, vector = path.rpartition("@")
    if not pointer or not vector.replace(".", "").isdigit():
        pointer = path
    name = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    return TaskRef(name=name, pointer=pointer)
