"""A run that failed and was retried ends as if it had never failed."""

import hashlib
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from simulation.programs import workflows
from simulation.session import Session
from visapi_common.contracts.problems import ERROR_BASE, WorkflowError
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.compile.compiler import Compiled
from visapi_engine.machine.commands import CallTask
from visapi_engine.machine.events import ChildEnded, TaskCompleted, TaskFaulted
from visapi_engine.model.program import Literal, MapNode, Node, TryNode

STEPS_MAX = 2_000
_DOWN = WorkflowError(type=ERROR_BASE + "communication", status=503, title="Down")


def told(session: Session, path: str, *, failures: int) -> None:
    """The first `failures` attempts at a flaky task fail; what it says then does not depend on them."""
    if path in session.children:
        failed = [
            one for one in session.events if isinstance(one, ChildEnded) and one.path == path and one.error
        ]
        if len(failed) < failures:
            session.child_faulted(path)
        else:
            session.child_completed(path, path)
        return
    if path not in session.tasks:
        session.arrive("test.go", 7)
        return
    task = session.tasks[path]
    assert isinstance(task, CallTask)
    if task.function == "acme.flaky" and task.attempt <= failures:
        session.tell(TaskFaulted(session.now, path, task.attempt, msgspec.json.encode(_DOWN)))
    else:
        said = hashlib.sha256(path.encode()).digest()[0]
        session.tell(TaskCompleted(session.now, path, task.attempt, msgspec.json.encode(said)))


def ran(program: Compiled, world: int, *, failures: int) -> Session:
    """To its end; each time it faults it is retried."""
    session = Session(program)
    session.start({"n": world})
    for _ in range(STEPS_MAX):
        if session.status() is RunStatus.FAULTED:
            session.retry()
            assert session.noted() is None, "a run that faulted for its world can be retried"
        if session.status() in ENDED:
            break
        if waiting := [*session.tasks, *session.children, *session.subscriptions]:
            told(session, waiting[0], failures=failures)
        else:
            session.fire_next()
    return session


def outcome(session: Session) -> tuple[Any, ...]:
    effects = sorted({(call.path, call.arguments) for call in session.calls})
    return session.status(), session.output, effects


def _takes_failures(node: Node) -> bool:
    return isinstance(node, TryNode) or (isinstance(node, MapNode) and node.tolerate != Literal(0))


@given(program=workflows(), world=st.integers(0, 2**16), failures=st.integers(1, 3))
def test_a_retried_run_ends_as_if_it_had_never_failed(program: Compiled, world: int, failures: int) -> None:
    assume(not any(_takes_failures(node) for node in program.program.nodes.values()))
    retried, smooth = ran(program, world, failures=failures), ran(program, world, failures=0)
    assert outcome(retried) == outcome(smooth)
    assert retried.status() is RunStatus.COMPLETED


@given(program=workflows(), world=st.integers(0, 2**16), failures=st.integers(1, 4))
def test_no_retry_asks_for_an_effect_that_completed(program: Compiled, world: int, failures: int) -> None:
    session = ran(program, world, failures=failures)
    assert session.status() is RunStatus.COMPLETED
    assert all(times == 1 for times in session.completed.values())
    assert len({(call.path, call.attempt) for call in session.calls}) == len(session.calls)
    assert session.replayed() == session.state
