"""A run in virtual time: the machine as it is, and in place of the world what was given. Pure.

Answers come when they are said to; timers fire when nothing else is due before them; events are
offered, in order, whenever the run listens and nothing else is due at that moment. It stops at the
first moment at which an answer is missing.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_common.contracts.simulation import Decision, Given, MissingAnswer
from visapi_engine.definition.program import CallNode, Program, RunNode
from visapi_engine.expressions.evaluate import Evaluator
from visapi_engine.machine.advance import advance
from visapi_engine.machine.commands import (
    CallTask,
    Command,
    DropRun,
    DropTask,
    DropTimer,
    Emit,
    HoldTask,
    SetTimer,
    StartRun,
    Subscribe,
    Unsubscribe,
)
from visapi_engine.machine.events import (
    ChildEnded,
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
from visapi_engine.machine.state import State
from visapi_engine.simulation.answers import Answer, Answers, AnswersGiven
from visapi_engine.simulation.decisions import decisions_of

TRANSITIONS_MAX = 10_000

_encode = msgspec.json.Encoder().encode
RUN = "018f0000-0000-7000-8000-000000000000"
"""The id of a simulated run."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of it; `entries` is its history."""

    status: RunStatus
    stopped: str | None
    output: Any
    error: WorkflowError | None
    elapsed_ms: int
    entries: list[Entry]
    decisions: list[Decision]
    missing: list[MissingAnswer]
    emitted: list[dict[str, Any]]
    unused: list[str]


class Wanted(msgspec.Struct, frozen=True):
    """What is to be carried out. `input` is JSON, each event a structured CloudEvent as JSON."""

    input: bytes
    given: AnswersGiven
    events: list[bytes]
    now_ms: int


def dry_run(
    plan: Plan, evaluate: Evaluator, wanted: Wanted, *, before_each: Callable[[], None] | None = None
) -> Outcome:
    """Carry out a program. The answers were checked before (`check_answers`).

    `before_each` is called before each transition: it may renew a limit on time.
    """
    world = _World(plan.program, plan, wanted)
    state: State | None = None
    event: Event | None = Started(now_ms=wanted.now_ms, run=RUN, input=wanted.input)
    transitions = 0
    while event is not None and transitions < TRANSITIONS_MAX:
        if before_each is not None:
            before_each()
        step = advance(plan, state, event, evaluate)
        state = step.state
        transitions += 1
        world.take(step.commands, step.history)
        if state.status in ENDED:
            return world.outcome(state, None, step.output, step.error)
        event = world.next()
    assert state is not None, "a simulation begins with a transition"
    return world.outcome(state, "limit" if event is not None else world.why(state), None, None)


class _World:
    """Stands where the world stands: gives answers, keeps time, writes down."""

    def __init__(self, program: Program, plan: Plan, wanted: Wanted) -> None:
        self._plan = plan
        self._program = program
        self._answers = Answers(program, wanted.given)
        self._events = wanted.events
        self._offered = 0
        self._began_ms = self._now_ms = wanted.now_ms
        self._timers: dict[str, int] = {}
        self._due: dict[str, tuple[int, Event]] = {}
        """What is under way, by task path or child, with the time at which it comes."""
        self._missing: dict[str, MissingAnswer] = {}
        self._listening: set[str] = set()
        self._held: set[str] = set()
        self._entries: list[Entry] = []
        self._decisions: list[Decision] = []
        self._emitted: list[dict[str, Any]] = []

    def take(self, commands: list[Command], entries: list[Entry]) -> None:
        """Carry out the commands of a transition and write down its history."""
        first = len(self._entries) + 1
        self._entries += entries
        self._decisions += decisions_of(self._program, entries, first, self._began_ms)
        for command in commands:
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case CallTask():
                self._ask(command)
            case StartRun():
                self._start(command)
            case HoldTask():
                self._held.add(command.path)
            case DropTask() | DropRun():
                self._forget(command.path)
            case SetTimer():
                self._timers[command.id] = command.fire_at_ms
            case DropTimer():
                self._timers.pop(command.id, None)
            case Subscribe():
                self._listening.add(command.path)
            case Unsubscribe():
                self._listening.discard(command.path)
            case Emit():
                self._emitted.append(msgspec.json.decode(command.event))

    def _forget(self, path: str) -> None:
        self._due.pop(path, None)
        self._missing.pop(path, None)
        self._held.discard(path)

    def _ask(self, call: CallTask) -> None:
        self._held.discard(call.path)
        answer = self._answers.next(call.pointer)
        if answer is None:
            arguments = msgspec.json.decode(call.arguments)
            self._missing[call.path] = MissingAnswer(call.pointer, call.name, call.function, arguments)
            return
        self._later(call.path, answer, _answered(call, answer.given, self._now_ms + answer.after_ms))

    def _start(self, start: StartRun) -> None:
        if not start.awaited:
            return
        pointer = pointer_of(self._plan, start.path)
        answer = self._answers.next(pointer)
        if answer is None:
            node = self._program.nodes[pointer]
            assert isinstance(node, (CallNode, RunNode))
            function = f"{start.namespace}/{start.name}:{start.version}"
            value = msgspec.json.decode(start.input)
            self._missing[start.path] = MissingAnswer(pointer, node.name, function, value)
            return
        self._later(start.path, answer, _ended(start, answer.given, self._now_ms + answer.after_ms))

    def _later(self, path: str, answer: Answer, event: Event) -> None:
        self._due[path] = (self._now_ms + answer.after_ms, event)

    def next(self) -> Event | None:
        """What happens next; None when nothing does, or nobody can say what."""
        path = min(self._due, key=lambda path: self._due[path][0], default=None)
        timer = min(self._timers, key=lambda name: self._timers[name], default=None)
        answered_at = None if path is None else self._due[path][0]
        fires_at = None if timer is None else self._timers[timer]
        at = min((time for time in (answered_at, fires_at) if time is not None), default=None)
        if at is None or at > self._now_ms:
            if self._listening and self._offered < len(self._events):
                return self._offer()
            if at is None or self._missing:
                return None
            self._now_ms = at
        if path is not None and answered_at is not None and (fires_at is None or answered_at <= fires_at):
            return self._due.pop(path)[1]
        assert timer is not None, "a time without anything due then"
        del self._timers[timer]
        return TimerFired(now_ms=self._now_ms, id=timer)

    def _offer(self) -> Event:
        self._offered += 1
        return EventArrived(now_ms=self._now_ms, event=self._events[self._offered - 1])

    def why(self, state: State) -> str:
        """Why a run that has not ended does not go on."""
        if self._missing:
            return "missing"
        if self._held:
            return "held"
        return "suspended" if state.status is RunStatus.SUSPENDED else "listening"

    def outcome(self, state: State, stopped: str | None, output: Any, error: WorkflowError | None) -> Outcome:
        events = [f"/events/{at}" for at in range(self._offered, len(self._events))]
        return Outcome(
            status=state.status,
            stopped=stopped,
            output=output,
            error=error,
            elapsed_ms=self._now_ms - self._began_ms,
            entries=self._entries,
            decisions=self._decisions,
            missing=list(self._missing.values()),
            emitted=self._emitted,
            unused=self._answers.unused() + events,
        )


def _answered(call: CallTask, given: Given, at_ms: int) -> Event:
    if given.uncertain:
        return TaskUncertain(now_ms=at_ms, path=call.path, attempt=call.attempt)
    if given.error is not msgspec.UNSET:
        return TaskFaulted(now_ms=at_ms, path=call.path, attempt=call.attempt, error=_encode(given.error))
    return TaskCompleted(now_ms=at_ms, path=call.path, attempt=call.attempt, output=_encode(given.output))


def _ended(start: StartRun, given: Given, at_ms: int) -> Event:
    if given.error is not msgspec.UNSET:
        error = _encode(given.error)
        return ChildEnded(at_ms, start.path, start.child, RunStatus.FAULTED, error=error)
    if given.uncertain:
        return ChildEnded(at_ms, start.path, start.child, RunStatus.CANCELLED)
    return ChildEnded(at_ms, start.path, start.child, RunStatus.COMPLETED, output=_encode(given.output))
