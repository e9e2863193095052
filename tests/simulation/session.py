"""A run told as a story: say what happens, read what it asks for.

A session stands where the orchestrator stands. It keeps the rows that follow from commands, and
after each event holds the machine to its promises: the old state is untouched, the state survives
its own bytes, the rows are exactly the open work, and a replay from the start gives the same.
"""

from typing import Any

import msgspec

from simulation.collected import collect, whole
from simulation.words import NOON, shown_entry, told
from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.problems import ERROR_BASE, WorkflowError
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_engine.expressions.evaluate import build_evaluator
from visapi_engine.machine.advance import advance
from visapi_engine.machine.collections import COUNT_MAX
from visapi_engine.machine.commands import (
    CallTask,
    CloseApproval,
    Command,
    DropCollection,
    DropRun,
    DropTask,
    DropTimer,
    Emit,
    HoldTask,
    KeepCollection,
    OpenApproval,
    RefuseEvent,
    RetryRun,
    SetTimer,
    StartRun,
    Subscribe,
    Unsubscribe,
)
from visapi_engine.machine.events import (
    CancelRequested,
    ChildEnded,
    Decided,
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
)
from visapi_engine.machine.history import Entry
from visapi_engine.machine.lineage import Kinship, Lineage
from visapi_engine.machine.plan import make_plan
from visapi_engine.machine.result import Advance
from visapi_engine.machine.state import (
    ApproveFrame,
    CallFrame,
    ChildFrame,
    ListenFrame,
    State,
    TryFrame,
    WaitFrame,
    decode_state,
    encode_state,
)

RUN = "01890000-0000-7000-8000-000000000001"

HEAD = b"document: {dsl: '1.0.3', namespace: test, name: story, version: '1.0.0'}\n"


def compiled(body: str) -> Compiled:
    """Compile a definition given without its `document`."""
    return compile_definition(HEAD + body.encode(), "application/yaml")


class Session:
    """One run of one definition, from its first event on."""

    def __init__(self, body: str | Compiled, *, run: str = RUN) -> None:
        self.compiled = compiled(body) if isinstance(body, str) else body
        self.plan = make_plan(self.compiled.program)
        self.evaluate = build_evaluator(self.compiled.program)
        self.run = run
        self.now = NOON
        self.lineage: Lineage | None = None
        """What bounds the family of the run; without it nothing does."""
        self.state: bytes | None = None
        self.last: Advance | None = None
        self.events: list[Event] = []
        self.steps: list[Advance] = []
        self.entries: list[Entry] = []
        self.tasks: dict[str, CallTask | HoldTask] = {}
        self.timers: dict[str, int] = {}
        self.calls: list[CallTask] = []
        self.completed: dict[str, int] = {}
        self.children: dict[str, StartRun | RetryRun] = {}
        self.started: list[StartRun] = []
        self.subscriptions: dict[str, Subscribe] = {}
        self.approvals: dict[str, OpenApproval] = {}
        self.closed: list[CloseApproval] = []
        self.emitted: list[dict[str, Any]] = []
        self.collections: dict[str, bytes | None] = {}
        self.collections_max = COUNT_MAX
        self.refused: list[RefuseEvent] = []
        self.output: Any = None
        self.error: WorkflowError | None = None

    # ---- what happens

    def start(self, value: Any = None) -> str:
        return self.tell(Started(self.now, self.run, msgspec.json.encode(value)))

    def complete(
        self, path: str, output: Any = None, *, attempt: int | None = None, read: bool = False
    ) -> str:
        attempt = attempt or self.attempt(path)
        return self.tell(TaskCompleted(self.now, path, attempt, msgspec.json.encode(output), read=read))

    def fault(
        self, path: str, status: int = 503, kind: str = "communication", *, attempt: int | None = None
    ) -> str:
        error = WorkflowError(type=ERROR_BASE + kind, status=status, title="It failed")
        attempt = attempt or self.attempt(path)
        return self.tell(TaskFaulted(self.now, path, attempt, msgspec.json.encode(error)))

    def doubt(self, path: str, *, attempt: int | None = None) -> str:
        return self.tell(TaskUncertain(self.now, path, attempt or self.attempt(path)))

    def resolve(self, path: str, decision: Decision, output: Any = None) -> str:
        body = msgspec.json.encode(output)
        return self.tell(Resolved(self.now, path, decision, "operator", body))

    def arrive(self, kind: str = "test.event", data: Any = None, **attributes: Any) -> str:
        """An event comes in; `n` numbers it unless an id is given."""
        event = {
            "specversion": "1.0",
            "id": f"e{len(self.events)}",
            "source": "/test",
            "type": kind,
            "data": data,
            **attributes,
        }
        return self.tell(EventArrived(self.now, msgspec.json.encode(event)))

    def child_completed(self, path: str, output: Any = None, *, resume_count: int | None = None) -> str:
        """`resume_count`: the last asking to go on that the child knew of; the last one there was unless said."""
        return self._child_ended(path, RunStatus.COMPLETED, resume_count, output=msgspec.json.encode(output))

    def child_faulted(self, path: str, status: int = 500, *, resume_count: int | None = None) -> str:
        error = WorkflowError(
            type=ERROR_BASE + "runtime", status=status, title="It failed", instance="/do/0/x"
        )
        return self._child_ended(path, RunStatus.FAULTED, resume_count, error=msgspec.json.encode(error))

    def child_unknown(self, path: str) -> str:
        """There is no such workflow."""
        error = WorkflowError(type=ERROR_BASE + "configuration", status=404, title="Unknown workflow")
        body = msgspec.json.encode(error)
        return self._child_ended(path, RunStatus.FAULTED, None, error=body, unknown=True)

    def _child_ended(self, path: str, status: RunStatus, resume_count: int | None, **more: Any) -> str:
        child = self.children[path]
        asked = child.resume_count if isinstance(child, RetryRun) else 0
        known = asked if resume_count is None else resume_count
        return self.tell(ChildEnded(self.now, path, child.child, status, resume_count=known, **more))

    def decide(self, path: str, decision: str, by: str = "link", comment: str | None = None) -> str:
        approval = next((one.approval for one in self.approvals.values() if one.path == path), "none")
        return self.tell(Decided(self.now, path, approval, decision, by, comment))

    def pass_time(self, seconds: float) -> None:
        self.now += round(seconds * 1000)

    def fire(self, timer: str) -> str:
        """The timer fires now, due or not."""
        return self.tell(TimerFired(self.now, timer))

    def fire_next(self) -> str:
        """Let time pass until the earliest timer is due."""
        timer, due = min(self.timers.items(), key=lambda item: (item[1], item[0]))
        self.now = max(self.now, due)
        return self.fire(timer)

    def cancel(self, *, by_parent: bool = False) -> str:
        return self.tell(CancelRequested(self.now, "operator", "no longer needed", by_parent))

    def suspend(self) -> str:
        return self.tell(SuspendRequested(self.now, "operator"))

    def resume(self) -> str:
        return self.tell(ResumeRequested(self.now, "operator"))

    def retry(self, value: Any = None) -> str:
        """A faulted run is taken up again; `value` replaces the input of the task that failed."""
        body = None if value is None else msgspec.json.encode(value)
        return self.tell(RetryRequested(self.now, "operator", "it is mended", body))

    # ---- what came of it

    def tell(self, event: Event) -> str:
        """Give the machine an event, apply its commands, and print them."""
        before = self.state
        state = None if before is None else decode_state(before)
        step = self._advance(state, event, self.collections)
        assert state is None or encode_state(state) == before, "the machine changed the state it was given"
        self.state = encode_state(step.state)
        assert encode_state(decode_state(self.state)) == self.state, "the state does not survive its bytes"
        self.events.append(event)
        self.steps.append(step)
        self.last = step
        if step.noted is not None:
            assert self.state == before, "a noted event changed the state"
            assert not step.history
        elif isinstance(event, TaskCompleted):
            self.completed[event.path] = self.completed.get(event.path, 0) + 1
        self.entries += step.history
        for command in step.commands:
            self._apply(command)
        if step.state.status in ENDED and step.noted is None:
            self.output, self.error = step.output, step.error
        self._check_rows(step.state)
        return told(step)

    def status(self) -> RunStatus:
        assert self.last is not None
        return self.last.state.status

    def noted(self) -> str | None:
        assert self.last is not None
        return self.last.noted

    def attempt(self, path: str) -> int:
        return self.tasks[path].attempt

    def words(self) -> list[str]:
        """The history so far, one line an item, in the specification's words."""
        return [shown_entry(entry) for entry in self.entries]

    def replayed(self) -> bytes:
        """The state that the recorded events give from the start."""
        state: State | None = None
        collections: dict[str, bytes | None] = {}
        for event in self.events:
            step = self._advance(state, event, collections)
            state = step.state
            for command in step.commands:
                collect(command, collections)
        assert collections == self.collections, "a replay collects other events"
        assert state is not None
        return encode_state(state)

    def _advance(self, state: State | None, event: Event, collections: dict[str, bytes | None]) -> Advance:
        kinship = None if self.lineage is None else Kinship(self.run, self.lineage)
        known = whole(collections, self.collections_max)
        return advance(self.plan, state, event, self.evaluate, kinship=kinship, collections=known)

    def _apply(self, command: Command) -> None:
        match command:
            case CallTask():
                self.tasks[command.path] = command
                self.calls.append(command)
            case HoldTask():
                self.tasks[command.path] = command
            case DropTask():
                self.tasks.pop(command.path, None)
            case SetTimer():
                self.timers[command.id] = command.fire_at_ms
            case DropTimer():
                self.timers.pop(command.id, None)
            case _:
                self._apply_rest(command)

    def _apply_rest(self, command: Command) -> None:
        """Commands about events and children."""
        match command:
            case Subscribe():
                self.subscriptions[command.path] = command
            case Unsubscribe():
                self.subscriptions.pop(command.path, None)
            case Emit():
                self.emitted.append(msgspec.json.decode(command.event))
            case StartRun():
                self.started.append(command)
                if command.awaited:
                    self.children[command.path] = command
            case RetryRun():
                self.children[command.path] = command
            case DropRun():
                self.children.pop(command.path, None)
            case OpenApproval():
                self.approvals[command.approval] = command
            case CloseApproval():
                self.closed.append(command)
                self.approvals.pop(command.approval, None)
            case _:
                self._apply_collected(command)

    def _apply_collected(self, command: Command) -> None:
        """Commands about what a schedule collects."""
        match command:
            case KeepCollection() | DropCollection():
                collect(command, self.collections)
            case RefuseEvent():
                self.refused.append(command)
            case _:
                raise AssertionError(f"no row for {command}")

    def _check_rows(self, state: State) -> None:
        """What is open has its row, and nothing else has; what a suspended run recorded is consumed."""
        kept = {event.path for event in state.deferred if isinstance(event, TaskCompleted | TaskFaulted)}
        fired = {event.id for event in state.deferred if isinstance(event, TimerFired)}
        open_tasks = {path for path, frame in state.frames.items() if isinstance(frame, CallFrame)}
        assert set(self.tasks) == open_tasks - kept, (self.tasks, state.frames)
        children = {path for path, frame in state.frames.items() if isinstance(frame, ChildFrame)}
        ended = {event.path for event in state.deferred if isinstance(event, ChildEnded)}
        assert set(self.children) == children - ended, (self.children, state.frames)
        listeners = {path for path, frame in state.frames.items() if isinstance(frame, ListenFrame)}
        assert set(self.subscriptions) == listeners, (self.subscriptions, state.frames)
        asking = {frame.approval for frame in state.frames.values() if isinstance(frame, ApproveFrame)}
        assert set(self.approvals) == asking, (self.approvals, state.frames)
        assert set(self.timers) == set(open_timers(state)) - fired, (self.timers, state.frames)


def open_timers(state: State) -> dict[str, int]:
    """The timers that a state waits for, as its frames say."""
    found: dict[str, int] = {"#continue": 0} if state.agenda else {}
    for path, frame in state.frames.items():
        if frame.timeout_at is not None:
            found[f"{path}#timeout"] = frame.timeout_at
        if isinstance(frame, WaitFrame):
            found[f"{path}#wait"] = frame.due
        if isinstance(frame, ApproveFrame):
            found |= {} if frame.due is None else {f"{path}#deadline": frame.due}
            found |= {} if frame.escalate_at is None else {f"{path}#escalate": frame.escalate_at}
        if isinstance(frame, TryFrame) and frame.retry_at is not None:
            found[f"{path}#retry"] = frame.retry_at
        if isinstance(frame, TryFrame) and frame.attempt_at is not None:
            found[f"{path}#attempt"] = frame.attempt_at
    return found
