"""A schedule `on` several events collects those of each correlation apart."""

from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from simulation.session import RUN, Session, compiled
from visapi_engine.compile.compiler import Compiled
from visapi_engine.expressions.evaluate import build_evaluator
from visapi_engine.machine.collections import ONE_BYTES_MAX, Collection, StoredCollections
from visapi_engine.machine.commands import DropCollection, KeepCollection, StartRun
from visapi_engine.machine.events import EventArrived, Started
from visapi_engine.machine.plan import make_plan
from visapi_engine.machine.state import ListenFrame, decode_state, encode_state
from visapi_engine.model.listeners import HEAR, listener_of
from visapi_engine.process.fold import fold
from visapi_engine.process.protocol import Answer, Work

ORDER = "correlate: {order: {from: .data.order}}"
BOTH = f"all: [{{with: {{type: paid}}, {ORDER}}}, {{with: {{type: packed}}, {ORDER}}}]"


def schedule(on: str) -> Compiled:
    workflow = compiled(f"schedule: {{on: {{{on}}}}}\ndo: [{{ship: {{call: acme.ship}}}}]")
    assert workflow.program.schedule_on is not None
    return msgspec.structs.replace(
        workflow, program=listener_of(workflow.program, workflow.program.schedule_on)
    )


def listening(on: str = BOTH) -> Session:
    run = Session(schedule(on))
    run.start()
    return run


def started(run: Session) -> list[list[tuple[str, Any]]]:
    """The events of each run that was started, as pairs of type and order."""
    return [
        [(event["type"], event["data"]["order"]) for event in msgspec.json.decode(child.input)]
        for child in run.started
    ]


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_each_correlation_starts_its_run_once_however_their_events_are_mixed(count: int, chance: Any) -> None:
    run = listening()
    events = [(kind, order) for order in range(count) for kind in ("paid", "packed")]
    chance.shuffle(events)
    for number, (kind, order) in enumerate(events):
        run.arrive(kind, {"order": order}, id=str(number))
    assert sorted(sorted(one) for one in started(run)) == [
        [("packed", order), ("paid", order)] for order in range(count)
    ]
    assert len({child.child for child in run.started}) == count
    assert not run.collections
    assert run.replayed() == run.state


def test_an_event_that_comes_twice_for_a_correlation_counts_once() -> None:
    run = listening()
    run.arrive("paid", {"order": 1}, id="1")
    assert run.arrive("paid", {"order": 1}, id="2") == "noted: nobody listens for it"
    run.arrive("packed", {"order": 1}, id="3")
    assert started(run) == [[("paid", 1), ("packed", 1)]]


def test_an_event_beyond_the_bound_is_refused_and_those_that_wait_go_on() -> None:
    run = listening()
    run.collections_max = 2
    for order in range(4):
        run.arrive("paid", {"order": order}, id=f"paid-{order}")
    assert [refused.id for refused in run.refused] == ["paid-2", "paid-3"]
    run.arrive("packed", {"order": 0}, id="packed-0")
    run.arrive("paid", {"order": 2}, id="once more")
    assert len(run.refused) == 2
    assert started(run) == [[("paid", 0), ("packed", 0)]]


def test_a_correlation_cannot_grow_without_end() -> None:
    run = listening(f"any: [{{with: {{type: item}}, {ORDER}}}], until: 'false'")
    for number in range(4):
        run.arrive("item", {"order": 1, "text": "x" * (ONE_BYTES_MAX // 3)}, id=str(number))
    assert [refused.id for refused in run.refused] == ["2", "3"]


def test_an_end_that_is_an_event_closes_the_collection_of_its_correlation() -> None:
    run = listening(
        f"any: [{{with: {{type: item}}, {ORDER}}}], until: {{one: {{with: {{type: closed}}, {ORDER}}}}}"
    )
    for number, order in enumerate([1, 2, 1]):
        run.arrive("item", {"order": order}, id=str(number))
    run.arrive("closed", {"order": 1}, id="end")
    assert started(run) == [[("item", 1), ("item", 1)]]
    assert len(run.collections) == 1


def test_filters_that_share_no_correlation_are_warned_of() -> None:
    mixed = compiled(
        f"schedule: {{on: {{all: [{{with: {{type: paid}}, {ORDER}}}, {{with: {{type: packed}}}}]}}}}\n"
        "do: [{ship: {call: acme.ship}}]"
    )
    assert [
        "share no correlation" in one.detail for one in mixed.warnings if one.pointer == "/schedule/on"
    ] == [True]


def test_what_an_earlier_release_kept_in_the_state_becomes_a_collection() -> None:
    run = listening()
    assert run.state is not None
    state = decode_state(run.state)
    frame = state.frames[HEAR]
    assert isinstance(frame, ListenFrame)
    frame.matched, frame.correlations = [0], {"order": 1}
    frame.consumed = [{"type": "paid", "data": {"order": 1}}]
    run.state = encode_state(state)
    run.events.clear()
    run.arrive("packed", {"order": 2}, id="2")
    run.arrive("packed", {"order": 1}, id="1")
    assert started(run) == [[("paid", 1), ("packed", 1)]]


def test_a_fold_asks_for_the_collections_that_its_events_concern() -> None:
    program = schedule(BOTH).program
    plan, evaluate = make_plan(program), build_evaluator(program)

    def told(state: bytes | None, collected: StoredCollections, *events: Any) -> Answer:
        return fold(
            plan,
            evaluate,
            Work(UUID(RUN), "t", "p", 0, list(events), state=state, collected=collected),
        )

    def event(kind: str, order: str) -> EventArrived:
        body = {"id": kind + order, "source": "/s", "type": kind, "data": {"order": order}}
        return EventArrived(2, msgspec.json.encode(body))

    waiting = told(None, StoredCollections(), Started(1, RUN, b"null"))
    assert waiting.wanted == []
    both = (event("packed", "a"), event("paid", "b"), event("paid", "b"))
    asking = told(waiting.state, StoredCollections(), *both)
    assert len(asking.wanted) == 2
    a, b = asking.wanted
    kept = Collection(
        correlations={"order": "a"}, matched=[0], consumed=[msgspec.json.decode(event("paid", "a").event)]
    )
    answer = told(waiting.state, StoredCollections({a: msgspec.json.encode(kept), b: None}), *both)
    assert answer.wanted == []
    (child,) = (one for one in answer.commands if isinstance(one, StartRun))
    assert [one["type"] for one in msgspec.json.decode(child.input)] == ["paid", "packed"]
    assert [one.key for one in answer.commands if isinstance(one, DropCollection)] == [a]
    assert [one.key for one in answer.commands if isinstance(one, KeepCollection)] == [b]
