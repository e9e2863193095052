"""What random runs do is what the golden sessions show: no transition, and no reaction, beside those."""

from functools import cache
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from simulation.golden import sessions
from simulation.programs import workflows
from simulation.test_interleavings import chaotic
from simulation.test_retries import ran
from simulation.transitions import Taken
from visapi_common.contracts.runs import RunStatus
from visapi_engine.compile.compiler import Compiled
from visapi_engine.machine.events import Event


@cache
def shown() -> Taken:
    """What the golden sessions take."""
    found = Taken()
    for _, golden in sessions():
        found.add(golden.play()[1])
    return found


@given(program=workflows(), world=st.integers(0, 2**16), seed=st.integers(0, 2**32))
def test_random_runs_take_no_transition_that_no_session_shows(
    program: Compiled, world: int, seed: int
) -> None:
    found = Taken()
    found.add(chaotic(program, world, seed))
    found.add(ran(program, world, failures=2))
    for edges, known in ((found.runs, shown().runs), (found.tasks, shown().tasks)):
        pairs = {(edge.before, edge.after) for edge in known}
        assert {edge for edge in edges if (edge.before, edge.after) not in pairs} == set()
    acts = {(edge.before, edge.event) for edge in shown().runs}
    assert {edge for edge in found.runs if (edge.before, edge.event) not in acts} == set()
    assert found.acted <= shown().acted


def test_every_event_is_shown_in_every_state_of_a_run() -> None:
    kinds = {kind.__name__ for member in get_args(Event) for kind in get_args(member) or (member,)}
    states = [status.value for status in RunStatus if status is not RunStatus.PENDING]
    found = {(edge.before, edge.event) for edge in shown().runs} | shown().noted.keys()
    assert {(state, kind) for state in states for kind in kinds} - found == set()
