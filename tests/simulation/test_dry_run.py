"""A dry run with the answers that the world gave ends as the run did."""

from collections import defaultdict
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from simulation.programs import workflows
from simulation.session import NOON, Session
from simulation.test_interleavings import in_sequence
from visapi_common.contracts.simulation import Given, Simulation
from visapi_engine.compile.compiler import Compiled
from visapi_engine.machine.events import ChildEnded, TaskCompleted, TaskFaulted
from visapi_engine.machine.plan import pointer_of
from visapi_engine.process.protocol import Simulate
from visapi_engine.process.simulating import simulated
from visapi_engine.simulation.dry_run import SimulationInput

GO = b'{"specversion":"1.0","id":"1","source":"/test","type":"test.go","data":7}'


def answers(session: Session) -> dict[str, list[Given]]:
    """What the world answered, by task, in the order in which each was asked."""
    asked: dict[str, list[str]] = defaultdict(list)
    for call in session.calls:
        asked[call.pointer].append(f"{call.path} {call.attempt}")
    for start in session.started:
        if start.awaited:
            asked[pointer_of(session.plan, start.path)].append(start.child)
    said: dict[str, Given] = {}
    for event in session.events:
        if isinstance(event, TaskCompleted):
            said[f"{event.path} {event.attempt}"] = Given(output=msgspec.json.decode(event.output))
        elif isinstance(event, TaskFaulted):
            said[f"{event.path} {event.attempt}"] = Given(error=msgspec.json.decode(event.error, type=Any))
        elif isinstance(event, ChildEnded):
            said[event.child] = Given(output=msgspec.json.decode(event.output or b"null"))
    never = Given(output="nobody will hear this")
    return {pointer: [said.get(key, never) for key in keys] for pointer, keys in asked.items()}


@given(program=workflows(), world=st.integers(0, 2**16))
def test_a_dry_run_with_the_same_answers_ends_as_the_run_did(program: Compiled, world: int) -> None:
    ran = in_sequence(program, world)
    wanted = SimulationInput(
        input=msgspec.json.encode({"n": world}),
        given=msgspec.convert(msgspec.to_builtins(answers(ran)), dict[str, Given | list[Given]]),
        events=[GO] * 500,
        now_ms=NOON,
    )
    done = msgspec.json.decode(simulated(Simulate(program.body, wanted)).body, type=Simulation)
    assert (done.status, done.output) == (ran.status(), ran.output), done.stopped
    assert done.error == ran.error
