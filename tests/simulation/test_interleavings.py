"""Whatever the order in which results, repeats and timers arrive, a run ends as if told in sequence."""

import hashlib
import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from simulation.programs import MAP_WIDTH_MAX, workflows
from simulation.session import Session
from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.problems import ERROR_BASE, WorkflowError
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.compile.compiler import Compiled
from visapi_engine.machine.commands import CallTask, HoldTask
from visapi_engine.machine.events import (
    ChildEnded,
    Event,
    EventArrived,
    TaskCompleted,
    TaskFaulted,
    TimerFired,
)

STEPS_MAX = 2_000


def answer(session: Session, path: str, world: int) -> Event:
    """What the world answers to one attempt: the same whenever it is asked."""
    task = session.tasks[path]
    assert isinstance(task, CallTask)
    digest = hashlib.sha256(f"{world}{path}{task.attempt}".encode()).digest()
    if task.function == "acme.flaky" and digest[0] % 2:
        error = WorkflowError(type=ERROR_BASE + "communication", status=503, title=f"{path} {task.attempt}")
        return TaskFaulted(session.now, path, task.attempt, msgspec.json.encode(error))
    return TaskCompleted(session.now, path, task.attempt, msgspec.json.encode(digest[1]))


def waiting(session: Session) -> list[str]:
    """What waits for the world: tasks, children, listeners."""
    return [*session.tasks, *session.children, *session.subscriptions]


def tell(session: Session, path: str, world: int) -> None:
    """The world does what one of them waits for. An event is heard by all who listen."""
    if path in session.tasks:
        session.tell(answer(session, path, world))
    elif path in session.children:
        session.child_completed(path, hashlib.sha256(f"{world}{path}".encode()).digest()[1])
    else:
        session.arrive("test.go", 7)


def in_sequence(program: Compiled, world: int) -> Session:
    """The plain reading: one thing at a time, oldest first, nothing twice."""
    session = Session(program)
    session.start({"n": world})
    for _ in range(STEPS_MAX):
        if session.status() in ENDED:
            break
        if open_now := waiting(session):
            tell(session, open_now[0], world)
        else:
            session.fire_next()
    return session


class Chaos:
    """The same run told in another order, with repeats, early timers, doubts and suspensions."""

    def __init__(self, program: Compiled, world: int, order: random.Random) -> None:
        self.session = Session(program)
        self.world = world
        self.order = order

    def run(self) -> Session:
        self.session.start({"n": self.world})
        for _ in range(STEPS_MAX):
            if self.session.status() in ENDED:
                break
            self._disturb()
            if self.session.status() not in ENDED:
                self._progress()
        return self.session

    def _progress(self) -> None:
        session, choices = self.session, [*waiting(self.session), *self.session.timers]
        if not choices:
            assert session.status() is RunStatus.SUSPENDED, "nothing is open and nothing goes on"
            session.resume()
            return
        chosen = self.order.choice(choices)
        if chosen in session.timers:
            session.now = max(session.now, session.timers[chosen])
            session.fire(chosen)
        elif not isinstance(session.tasks.get(chosen), HoldTask):
            tell(session, chosen, self.world)
        else:
            output = hashlib.sha256(f"{self.world}{chosen}{session.attempt(chosen)}".encode()).digest()[1]
            session.resolve(chosen, Decision.HAPPENED, output)

    def _disturb(self) -> None:
        session, what = self.session, self.order.random()
        if what < 0.15:
            session.suspend()
        elif what < 0.3:
            session.resume()
        elif what < 0.45:
            session.tell(self._repeated())
        elif what < 0.55 and session.timers:
            session.fire(self.order.choice([*session.timers]))
        elif what < 0.6:
            session.tell(TimerFired(session.now, "/do/9/gone#wait"))
        elif what < 0.7:
            self._doubt()

    def _repeated(self) -> Event:
        """Something told before, again, at the present time. The start can be repeated too."""
        earlier = self.order.choice(
            [event for event in self.session.events if not isinstance(event, TimerFired)][:1]
            + [
                e
                for e in self.session.events
                if isinstance(e, TaskCompleted | TaskFaulted | TimerFired | ChildEnded | EventArrived)
            ]
        )
        return msgspec.structs.replace(earlier, now_ms=self.session.now)

    def _doubt(self) -> None:
        """Nobody knows what became of a task that would have succeeded."""
        sure = [
            path
            for path, task in self.session.tasks.items()
            if isinstance(task, CallTask) and task.function == "acme.sure"
        ]
        if sure:
            self.session.doubt(self.order.choice(sure))


def chaotic(program: Compiled, world: int, seed: int) -> Session:
    """A run told in the order that the seed chooses."""
    return Chaos(program, world, random.Random(seed)).run()


def outcome(session: Session) -> tuple[Any, ...]:
    effects = sorted({(call.path, call.attempt, call.arguments) for call in session.calls})
    return session.status(), session.output, session.error, effects


@given(program=workflows(), world=st.integers(0, 2**16), seed=st.integers(0, 2**32))
def test_any_order_of_events_gives_the_outcome_of_the_sequential_reading(
    program: Compiled, world: int, seed: int
) -> None:
    expected = in_sequence(program, world)
    assert expected.status() in ENDED
    chaos = chaotic(program, world, seed)
    assert outcome(chaos) == outcome(expected)


@given(program=workflows(), world=st.integers(0, 2**16), seed=st.integers(0, 2**32))
def test_replaying_the_recorded_inputs_gives_the_same_bytes(program: Compiled, world: int, seed: int) -> None:
    chaos = chaotic(program, world, seed)
    assert chaos.replayed() == chaos.state


@given(program=workflows(), world=st.integers(0, 2**16), seed=st.integers(0, 2**32))
def test_no_effect_is_asked_for_again_after_it_completed(program: Compiled, world: int, seed: int) -> None:
    for session in (in_sequence(program, world), chaotic(program, world, seed)):
        assert all(times == 1 for times in session.completed.values())
        assert len({(call.path, call.attempt) for call in session.calls}) == len(session.calls)


@given(program=workflows(), world=st.integers(0, 2**16), stop=st.integers(0, 12))
def test_a_cancelled_run_leaves_nothing_open_wherever_it_stood(
    program: Compiled, world: int, stop: int
) -> None:
    session = Session(program)
    session.start({"n": world})
    for _ in range(stop):
        if session.status() in ENDED:
            return
        if open_now := waiting(session):
            tell(session, open_now[0], world)
        else:
            session.fire_next()
    if session.status() not in ENDED:
        session.cancel()
        assert session.status() is RunStatus.CANCELLED
    assert (waiting(session), session.timers) == ([], {})


@given(program=workflows(), world=st.integers(0, 2**16))
def test_every_task_that_began_ended_exactly_once_in_the_history(program: Compiled, world: int) -> None:
    session = in_sequence(program, world)
    ends = ("task.completed", "task.faulted", "task.cancelled", "task.skipped")
    open_tasks: dict[str, int] = {}
    for entry in session.entries:
        if entry.task is not None:
            change = {"task.created": 1, **dict.fromkeys(ends, -1)}.get(entry.type, 0)
            open_tasks[entry.task.pointer] = open_tasks.get(entry.task.pointer, 0) + change
            most = MAP_WIDTH_MAX if "/with/" in entry.task.pointer else 1
            assert 0 <= open_tasks[entry.task.pointer] <= most
    assert not any(open_tasks.values())
