"""A run in virtual time: the real machine, with given answers in place of the outside world. Pure.

Answers come at their given times; timers fire when nothing else is due before them. Events are offered when
somebody listens and nothing else is due at that moment: first what the run emitted itself, then what was
given, in order. It stops at the first moment at which an answer is missing.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_common.contracts.simulation import Given, MissingAnswer, TaskDecision
from visapi_engine.expressions.evaluate import Evaluator
from visapi_engine.machine.advance import advance
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
    ChildEnded,
    Decided,
    Event,
    EventArrived,
    Started,
    TaskCompleted,
    TaskFaulted,
    TaskUncertain,
    TimerFired,
)
from visapi_engine.machine.history import Entry
from visapi_engine.machine.plan import Plan, pointer_of
from visapi_engine.machine.result import Advance
from visapi_engine.model.catalog import APPROVE
from visapi_engine.simulation.answers import GivenAnswers
from visapi_engine.simulation.decisions import decisions_of

TRANSITIONS_MAX = 10_000
RUN = "018f0000-0000-7000-8000-000000000000"
"""The id of a simulated run: always the same, so that a simulation can be repeated exactly."""
HANDLE_KEY = b"simulated"
"""Signs the handles of secrets, which are hidden in what is shown. They open nothing."""

_encode = msgspec.json.Encoder().encode


_Kept = HoldTask | DropTask | DropRun | RetryRun | SetTimer | DropTimer | Subscribe | Unsubscribe


class SimulationInput(msgspec.Struct, frozen=True):
    """What is to be carried out. `input` is JSON, each event a structured CloudEvent as JSON; `reads` are
    the functions that change nothing, as their workers announced.
    """

    input: bytes
    given: dict[str, Given | list[Given]]
    events: list[bytes]
    now_ms: int
    reads: list[str] = []


class Outcome(msgspec.Struct, frozen=True):
    """What came of it, as `contracts.simulation.Simulation` has it; `entries` is its history."""

    status: RunStatus
    stopped: str | None
    output: Any
    error: WorkflowError | None
    elapsed_ms: int
    entries: list[Entry]
    decisions: list[TaskDecision]
    missing: list[MissingAnswer]
    emitted: list[dict[str, Any]]
    unused: list[str]


def dry_run(
    plan: Plan,
    evaluate: Evaluator,
    wanted: SimulationInput,
    *,
    before_each: Callable[[], object] | None = None,
) -> Outcome:
    """Carry out a program. What is wanted was checked before (`read_request`).

    `before_each` is called before each transition: it may renew a limit on time.
    """
    world = _DryRun(plan, wanted)
    event: Event = Started(now_ms=wanted.now_ms, run=RUN, input=wanted.input)
    state = None
    for _ in range(TRANSITIONS_MAX):
        if before_each is not None:
            before_each()
        step = advance(plan, state, event, evaluate, handle_key=HANDLE_KEY)
        state = step.state
        world.take(step)
        if state.status in ENDED:
            return world.outcome(step, None)
        following = world.next()
        if following is None:
            return world.outcome(step, world.why())
        event = following
    assert state is not None, "a simulation begins with a transition"
    return world.outcome(Advance(state, [], []), "limit")


class _DryRun:
    """Takes the place of the outside world: gives answers, keeps the time, records the history."""

    def __init__(self, plan: Plan, wanted: SimulationInput) -> None:
        self._plan = plan
        self._answers = GivenAnswers(plan.program, wanted.given)
        self._reads = frozenset(wanted.reads)
        self._events = deque(enumerate(wanted.events))
        self._own_events: deque[bytes] = deque()
        self._offered: int | None = None
        """The given event that was offered to the run last, until it is known whether the run consumed it."""
        self._unwanted: list[int] = []
        self._began_ms = self._now_ms = wanted.now_ms
        self._timers: dict[str, int] = {}
        self._due: dict[str, tuple[int, Event]] = {}
        """The pending answers by task path, with the times at which they come."""
        self._missing: dict[str, MissingAnswer] = {}
        self._listening: set[str] = set()
        self._held: set[str] = set()
        self._asked: dict[str, str] = {}
        """The open approvals, and the paths of their tasks."""
        self._entries: list[Entry] = []
        self._emitted: list[dict[str, Any]] = []

    def take(self, step: Advance) -> None:
        """Carry out the commands of a transition, and record its history."""
        if self._offered is not None and step.noted is not None:
            self._unwanted.append(self._offered)
        self._offered = None
        self._entries += step.history
        for command in step.commands:
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case CallTask():
                self._ask(command)
            case StartRun():
                self._start(command)
            case OpenApproval():
                self._ask_people(command)
            case CloseApproval():
                self._forget_approval(command)
            case Emit():
                self._emitted.append(msgspec.json.decode(command.event))
                self._own_events.append(command.event)
            case KeepCollection() | DropCollection() | RefuseEvent():
                raise AssertionError("only the listener of a schedule collects, and none is simulated")
            case _:
                self._keep(command)

    def _keep(self, command: _Kept) -> None:
        """Carry out a command that changes only what this simulation remembers."""
        match command:
            case HoldTask():
                self._held.add(command.path)
            case DropTask() | DropRun():
                self._due.pop(command.path, None)
                self._missing.pop(command.path, None)
                self._held.discard(command.path)
            case RetryRun():
                raise AssertionError("a simulated run is not retried")
            case SetTimer():
                self._timers[command.id] = command.fire_at_ms
            case DropTimer():
                self._timers.pop(command.id, None)
            case Subscribe():
                self._listening.add(command.path)
            case Unsubscribe():
                self._listening.discard(command.path)

    def _ask(self, call: CallTask) -> None:
        self._held.discard(call.path)
        answer = self._answers.next(call.pointer)
        if answer is None:
            self._miss(call.path, call.function, call.arguments)
            return
        at_ms = self._now_ms + answer.after_ms
        self._due[call.path] = (
            at_ms,
            _answered(call, answer.given, at_ms, read=call.function in self._reads),
        )

    def _start(self, start: StartRun) -> None:
        if not start.awaited:
            return
        answer = self._answers.next(pointer_of(self._plan, start.path))
        if answer is None:
            self._miss(start.path, f"{start.namespace}/{start.name}:{start.version}", start.input)
            return
        at_ms = self._now_ms + answer.after_ms
        self._due[start.path] = (at_ms, _ended(start, answer.given, at_ms))

    def _ask_people(self, question: OpenApproval) -> None:
        self._asked[question.approval] = question.path
        answer = self._answers.next(pointer_of(self._plan, question.path))
        choices = msgspec.json.decode(question.shown)["choices"]
        if answer is None or answer.given.output["decision"] not in choices:
            self._miss(question.path, APPROVE, question.shown)
            return
        at_ms = self._now_ms + answer.after_ms
        self._due[question.path] = (at_ms, _decided(question, answer.given, at_ms))

    def _forget_approval(self, command: CloseApproval) -> None:
        path = self._asked.pop(command.approval, None)
        if path is not None:
            self._due.pop(path, None)
            self._missing.pop(path, None)

    def _miss(self, path: str, function: str, arguments: bytes) -> None:
        node = self._plan.nodes[pointer_of(self._plan, path)]
        self._missing[path] = MissingAnswer(
            pointer=node.pointer,
            name=node.name,
            function=function,
            arguments=msgspec.json.decode(arguments),
            give=self._answers.how_to_give(node.pointer),
        )

    def next(self) -> Event | None:
        """The next event; None when nothing happens any more, or an answer is missing."""
        path = min(self._due, key=lambda path: self._due[path][0], default=None)
        timer = min(self._timers, key=lambda name: self._timers[name], default=None)
        times = [] if path is None else [self._due[path][0]]
        times += [] if timer is None else [self._timers[timer]]
        at = min(times, default=None)
        if at is None or at > self._now_ms:
            event = self._offer()
            if event is not None:
                return event
            if at is None or self._missing:
                return None
            self._now_ms = at
        if path is not None and self._due[path][0] == at:
            return self._due.pop(path)[1]
        assert timer is not None, "a time at which nothing is due"
        del self._timers[timer]
        return TimerFired(now_ms=self._now_ms, id=timer)

    def _offer(self) -> Event | None:
        """The next event for whoever listens. What the run emits while nobody listens is not kept."""
        if not self._listening:
            self._own_events.clear()
            return None
        if self._own_events:
            return EventArrived(now_ms=self._now_ms, event=self._own_events.popleft())
        if not self._events:
            return None
        self._offered, event = self._events.popleft()
        return EventArrived(now_ms=self._now_ms, event=event)

    def why(self) -> str:
        """Why a run that has not ended does not go on."""
        if self._missing:
            return "missing"
        return "held" if self._held else "listening"

    def outcome(self, step: Advance, stopped: str | None) -> Outcome:
        left = sorted([*self._unwanted, *(number for number, _ in self._events)])
        return Outcome(
            status=step.state.status,
            stopped=stopped,
            output=step.output,
            error=step.error,
            elapsed_ms=self._now_ms - self._began_ms,
            entries=self._entries,
            decisions=decisions_of(self._plan.program, self._entries, self._began_ms),
            missing=list(self._missing.values()),
            emitted=self._emitted,
            unused=self._answers.unused() + [f"/events/{number}" for number in left],
        )


def _answered(call: CallTask, given: Given, at_ms: int, *, read: bool) -> Event:
    if given.uncertain:
        return TaskUncertain(now_ms=at_ms, path=call.path, attempt=call.attempt)
    if given.error is not msgspec.UNSET:
        return TaskFaulted(now_ms=at_ms, path=call.path, attempt=call.attempt, error=_encode(given.error))
    output = _encode(given.output)
    return TaskCompleted(now_ms=at_ms, path=call.path, attempt=call.attempt, output=output, read=read)


def _decided(question: OpenApproval, given: Given, at_ms: int) -> Event:
    """`check_answers` has seen that the output is a decision."""
    said = given.output
    return Decided(
        now_ms=at_ms,
        path=question.path,
        approval=question.approval,
        decision=said["decision"],
        by=said.get("by", "link"),
        comment=said.get("comment"),
    )


def _ended(start: StartRun, given: Given, at_ms: int) -> Event:
    if given.error is not msgspec.UNSET:
        error = _encode(given.error)
        return ChildEnded(at_ms, start.path, start.child, RunStatus.FAULTED, error=error)
    return ChildEnded(at_ms, start.path, start.child, RunStatus.COMPLETED, output=_encode(given.output))
