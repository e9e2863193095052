"""How deep runs may be nested, and what events carry of it."""

import pytest

from visapi_engine.machine.faults import TaskFault
from visapi_engine.machine.lineage import Descent, Kinship, Lineage, descent_of

RUN = "0193c0de-0000-7000-8000-000000000001"
ROOT = "0193c0de-0000-7000-8000-000000000002"


def test_a_run_without_a_root_is_one():
    assert Kinship(RUN, Lineage()).root == RUN
    assert Kinship(RUN, Lineage(root=ROOT, depth=3)).next_depth == 4


@pytest.mark.parametrize("act", ["start", "emit"])
def test_a_run_at_the_greatest_depth_starts_nothing(act: str):
    kin = Kinship(RUN, Lineage(root=ROOT, depth=5, depth_max=5))
    with pytest.raises(TaskFault) as fault:
        kin.start("/do/0/a") if act == "start" else kin.emit("/do/0/a", {})
    error = fault.value.error
    assert (error.status, error.instance) == (400, "/do/0/a")
    assert error.type.endswith("/runtime")
    assert ROOT in (error.detail or "")


def test_so_many_runs_are_started_as_there_is_room_for():
    kin = Kinship(RUN, Lineage(room=2, refused="run x has 10 open descendants"))
    kin.start("/a")
    kin.start("/b")
    with pytest.raises(TaskFault) as fault:
        kin.start("/c")
    assert (fault.value.error.status, fault.value.error.title) == (429, "Too many open runs")


def test_an_emitted_event_tells_its_lineage_whatever_its_author_says():
    sent = Kinship(RUN, Lineage(root=ROOT, depth=3)).emit("/a", {"type": "t", "visapihops": 0})
    assert sent == {"type": "t", "visapiroot": ROOT, "visapihops": 4}


def test_a_run_that_events_start_descends_from_the_deepest():
    deep = {"visapiroot": ROOT, "visapihops": 4}
    assert descent_of([{"id": "1"}, {"visapiroot": RUN, "visapihops": 2}, deep]) == Descent(ROOT, 4)


@pytest.mark.parametrize(
    "event",
    [{}, {"visapiroot": ROOT}, {"visapiroot": ROOT, "visapihops": "3"}, {"visapihops": True}, 7],
)
def test_an_event_of_the_world_begins_a_family(event: object):
    assert descent_of([event]) == Descent(None, 0)


def test_an_event_that_came_back_from_outside_begins_a_family_as_deep_as_it_came():
    assert descent_of([{"visapihops": 7}]) == Descent(None, 7)
    assert not Kinship(RUN, Lineage(depth_max=6)).follows(descent_of([{"visapihops": 7}]))
    assert descent_of([{"visapihops": 10**30}]).depth < 2**15
