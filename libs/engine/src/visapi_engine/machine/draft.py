"""The result of one event in the making: commands, history, tasks to enter, and the next state.

Private to the machine. The draft copies whatever it changes, so the given state stays as it was.
"""

import copy
from typing import Any

from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import RunStatus, TaskRef
from visapi_common.core.secret_handles import nested
from visapi_engine.expressions.evaluate import Evaluator
from visapi_engine.machine import history, paths
from visapi_engine.machine.collections import Collections
from visapi_engine.machine.commands import (
    CloseApproval,
    Command,
    DropRun,
    DropTask,
    DropTimer,
    SetTimer,
    Unsubscribe,
)
from visapi_engine.machine.frames import Frames, Task, timers_of
from visapi_engine.machine.history import Entry
from visapi_engine.machine.lineage import Kinship
from visapi_engine.machine.paths import child_path, split_timer_id, timer_id, vector_of
from visapi_engine.machine.plan import ROOT, Plan, reads_input_again
from visapi_engine.machine.state import (
    ApproveFrame,
    CallFrame,
    ChildFrame,
    Frame,
    ListenFrame,
    Pending,
    ResumePoint,
    State,
    TryFrame,
)
from visapi_engine.model.program import ExtendNode, Node


class Draft:
    """Collects the result of one event."""

    def __init__(  # noqa: PLR0913 (as `advance`, which hands everything on)
        self,
        plan: Plan,
        evaluator: Evaluator,
        state: State,
        now_ms: int,
        *,
        handle_key: bytes = b"",
        kinship: Kinship | None = None,
        collections: Collections | None = None,
    ) -> None:
        self.plan = plan
        self.evaluator = evaluator
        self.now_ms = now_ms
        self.handle_key = handle_key
        self.kinship = kinship
        self.collections = collections
        self.run = state.run
        self.started = state.started
        self.status = state.status
        self.context = state.context
        self.workflow_input = state.input
        self.attributes = state.attributes
        self.deferred = list(state.deferred)
        self.frames = Frames(plan, {path: copy.copy(frame) for path, frame in state.frames.items()})
        self.agenda: list[Pending] = list(state.agenda)
        self.slices = state.slices
        self.steps = state.steps
        self.attempts = state.attempts
        self.resume_count = state.resume_count
        self.failing: ResumePoint | None = None
        """While an error propagates: where a retry could resume the run."""
        self.resume: ResumePoint | None = None
        self.admission = state.admission
        self.overruns = state.overruns
        self.commands: list[Command] = []
        self.entries: list[Entry] = []
        self.output: Any = None
        self.error: WorkflowError | None = None
        self.secrets = nested(handle_key, plan.program.secrets) if plan.program.secrets else None
        """The value of `$secrets`: handles, derived in each transition and never stored."""

    def state(self) -> State:
        """The state after the transition; the run is `waiting` when nothing is in flight."""
        status, follows = self.status, self.plan.attributes_change
        if status in (RunStatus.RUNNING, RunStatus.WAITING):
            at_work = bool(self.agenda) or self.frames.in_flight
            status = RunStatus.RUNNING if at_work else RunStatus.WAITING
        return State(
            run=self.run,
            started=self.started,
            status=status,
            frames=dict(self.frames),
            context=self.context,
            input=self.workflow_input if self.plan.uses_workflow or follows else None,
            attributes=self.attributes if follows else {},
            deferred=self.deferred,
            agenda=self.agenda,
            slices=self.slices,
            steps=self.steps,
            attempts=self.attempts,
            resume_count=self.resume_count,
            resume=self.resume,
            admission=self.admission,
            overruns=self.overruns,
        )

    def note(self, word: str, node: Node | None = None, data: dict[str, Any] | None = None) -> None:
        """Add an entry to the history, of a task or of the workflow; extensions have no place in it."""
        if isinstance(node, ExtendNode):
            return
        task = None if node is None or node.pointer == ROOT else TaskRef(name=node.name, pointer=node.pointer)
        self.entries.append(Entry(word, self.now_ms, task, data))

    def enter(self, pointer: str, parent: Task, visit: int, raw: Any) -> None:
        """Put a child of an open task on the agenda, in the `visit`-th round of its list."""
        vector = vector_of(parent.path, parent.node.pointer)
        path = child_path(pointer, vector, self.plan.widths[parent.node.pointer], visit)
        self.agenda.append(Pending(pointer, path, parent.path, raw))

    def due_at(self, timer: str) -> int | None:
        """When a timer is due; None when the run waits for no such timer."""
        path, kind = split_timer_id(timer)
        if kind == paths.CONTINUE:
            return self.now_ms if self.agenda else None
        return self.frames.due_at(path, kind)

    def set_timer(self, path: str, kind: str, fire_at_ms: int) -> None:
        self.commands.append(SetTimer(timer_id(path, kind), fire_at_ms))

    def drop_timer(self, path: str, kind: str) -> None:
        self.commands.append(DropTimer(timer_id(path, kind)))

    def open(self, task: Task, frame: Frame) -> None:
        """Store the frame of an open task and start its timeout. Inputs stay only if they are read again."""
        frame.parent = task.parent
        frame.started = task.started
        if task.path != ROOT:
            if reads_input_again(self.plan, task.node.common):
                frame.input = task.input
            if self.plan.uses_task:
                frame.raw = task.raw
        if task.timeout_at is not None:
            frame.timeout_at = task.timeout_at
            self.set_timer(task.path, paths.TIMEOUT, task.timeout_at)
        self.frames[task.path] = frame

    def close(self, path: str) -> None:
        """Remove a frame and its timers. Does nothing for a task without a frame."""
        frame = self.frames.pop(path, None)
        if frame is None:
            return
        if path == ROOT and self.slices:
            self.slices = self.steps = 0
            self.drop_timer(ROOT, paths.CONTINUE)
        for kind in timers_of(frame):
            self.drop_timer(path, kind)
        if isinstance(frame, ListenFrame):
            self.commands.append(Unsubscribe(path))
        elif isinstance(frame, ApproveFrame):
            self.commands.append(CloseApproval.of(frame, self.now_ms))

    def stop_attempt(self, path: str, frame: TryFrame) -> None:
        """Drop the timers of a `try`'s current attempt."""
        if frame.retry_at is not None:
            self.drop_timer(path, paths.RETRY)
            frame.retry_at = None
        if frame.attempt_at is not None:
            self.drop_timer(path, paths.ATTEMPT)
            frame.attempt_at = None

    def cancel_below(self, path: str) -> None:
        """Cancel all open tasks within a frame, innermost first, and the tasks that are still to enter."""
        within = self.frames.within(path)
        doomed = {path, *within}
        self.agenda = [step for step in self.agenda if step.parent not in doomed]
        for inner in reversed(within):
            self.cancel(inner)

    def cancel(self, path: str) -> None:
        """Cancel one open task whose children are closed already."""
        self.abort(path)
        self.note(history.TASK_CANCELLED, self.frames.node_at(path))
        self.close(path)

    def abort(self, path: str) -> None:
        """Cancel the work of an open task outside the run: at its worker, or in its child run."""
        frame = self.frames[path]
        if isinstance(frame, CallFrame):
            self.commands.append(DropTask(path, cancelled=True))
        elif isinstance(frame, ChildFrame):
            self.commands.append(DropRun(path, frame.child, cancelled=True))
