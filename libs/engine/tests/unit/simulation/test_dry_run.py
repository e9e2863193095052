"""A dry run: the machine as it is, with given answers in place of the world, in virtual time."""

from typing import Any

import msgspec
import pytest

from visapi_common.contracts.runs import RunStatus
from visapi_common.contracts.simulation import Given, Simulation
from visapi_engine.definition.compile import compile_definition
from visapi_engine.process.protocol import Simulate
from visapi_engine.process.simulating import simulated
from visapi_engine.simulation.answers import check_answers

NOON = 1_767_268_800_000
DOCUMENT = "document: {dsl: '1.0.3', namespace: test, name: dry, version: '1.0.0'}\n"
_decode = msgspec.json.Decoder(Simulation).decode
_given = msgspec.json.Decoder(dict[str, Given | list[Given]]).decode


def simulate(
    source: str, given: Any = None, value: Any = None, events: list[Any] | None = None
) -> Simulation:
    compiled = compile_definition((DOCUMENT + source).encode(), "application/yaml")
    answers = _given(msgspec.json.encode(given or {}))
    assert check_answers(compiled.program, answers) == []
    heard = [msgspec.json.encode(event) for event in events or []]
    return _decode(simulated(Simulate(compiled.body, msgspec.json.encode(value), answers, heard, NOON)))


def decided(done: Simulation) -> list[str]:
    return [
        f"{one.after_ms} {one.name} {one.what}" + (f": {one.detail}" if one.detail else "")
        for one in done.decisions
    ]


def event(kind: str, data: Any = None) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "1", "source": "/test", "type": kind, "data": data}


def test_given_answers_take_a_workflow_to_its_output() -> None:
    done = simulate(
        "do: [{score: {call: acme.score, with: {n: '${ .n }'}}}, {keep: {set: {points: '${ . }'}}}]",
        {"score": {"output": 7}},
        {"n": 1},
    )
    assert (done.status, done.stopped, done.output) == (RunStatus.COMPLETED, None, {"points": 7})
    assert [item.seq for item in done.history] == list(range(1, len(done.history) + 1))
    assert done.history[-1].type == "workflow.completed"
    assert done.unused == []


def test_what_is_not_given_is_said_with_its_arguments() -> None:
    done = simulate("do: [{score: {call: acme.score, with: {n: '${ .n }'}}}]", value={"n": 4})
    assert (done.status, done.stopped) == (RunStatus.RUNNING, "missing")
    (missing,) = done.missing
    assert (missing.pointer, missing.function, missing.arguments) == ("/do/0/score", "acme.score", {"n": 4})


def test_waits_take_virtual_time_only() -> None:
    done = simulate("do: [{sleep: {wait: {days: 30}}}, {last: {set: {ok: true}}}]")
    assert (done.status, done.elapsed_ms) == (RunStatus.COMPLETED, 30 * 86_400_000)


def test_the_case_of_a_switch_is_told() -> None:
    source = """
do:
  - route:
      switch:
        - big: {when: '${ .n > 5 }', then: large}
        - small: {then: little}
  - large: {set: {size: large}, then: end}
  - little: {set: {size: little}}
"""
    assert decided(simulate(source, value={"n": 9}))[0] == "0 route case: big"
    assert decided(simulate(source, value={"n": 1}))[0] == "0 route case: small"


def test_retries_and_catches_are_told_with_their_times() -> None:
    source = """
do:
  - guarded:
      try: [{ask: {call: acme.ask}}]
      catch:
        errors: {with: {status: 503}}
        retry: {delay: {seconds: 2}, backoff: {exponential: {}}, limit: {attempt: {count: 2}}}
        do: [{fall: {set: {fallback: true}}}]
"""
    down = {"error": {"type": "https://x/communication", "status": 503, "title": "Down"}}
    done = simulate(source, {"ask": down})
    assert done.output == {"fallback": True}
    assert decided(done) == [
        "0 ask faulted: Down: 503",
        "0 guarded retried: attempt 2 after 2000 ms",
        "2000 ask faulted: Down: 503",
        "2000 guarded retried: attempt 3 after 4000 ms",
        "6000 ask faulted: Down: 503",
        "6000 guarded caught: its `catch.do` begins",
        "6000 fall completed",
        "6000 guarded completed",
    ]
    better = simulate(source, {"/do/0/guarded/try/0/ask": [down, {"output": "yes", "after": "PT1S"}]})
    assert (better.output, better.elapsed_ms) == ("yes", 3000)


def test_a_slow_answer_meets_the_timeout_of_its_task() -> None:
    source = "do: [{ask: {call: acme.ask, timeout: {after: {seconds: 5}}}}]"
    late = simulate(source, {"ask": {"output": 1, "after": "PT6S"}})
    assert late.error is not None
    assert (late.status, late.error.status, late.elapsed_ms) == (RunStatus.FAULTED, 408, 5000)
    assert simulate(source, {"ask": {"output": 1, "after": "PT4S"}}).output == 1


def test_the_faster_branch_wins_a_race() -> None:
    source = "do: [{race: {fork: {compete: true, branches: [{a: {call: acme.a}}, {b: {call: acme.b}}]}}}]"
    done = simulate(source, {"a": {"output": "a", "after": "PT2S"}, "b": {"output": "b", "after": "PT1S"}})
    assert done.output == "b"
    assert "1000 a cancelled" in decided(done)


def test_events_are_offered_to_whoever_listens() -> None:
    source = "do: [{hear: {listen: {to: {one: {with: {type: order.paid}}}}}}]"
    done = simulate(source, events=[event("order.made"), event("order.paid", {"n": 3}), event("order.paid")])
    assert (done.status, done.output, done.unused) == (RunStatus.COMPLETED, [{"n": 3}], ["/events/2"])
    assert simulate(source).stopped == "listening"


def test_children_end_as_given_and_emitted_events_are_shown() -> None:
    source = """
do:
  - child: {run: {workflow: {namespace: a, name: b, version: '1.0.0'}}}
  - say: {emit: {event: {with: {type: said, source: 'https://a.b', data: '${ . }'}}}}
"""
    done = simulate(source, {"child": {"output": 5}})
    assert [sent["data"] for sent in done.emitted] == [5]
    assert done.status is RunStatus.COMPLETED


def test_an_uncertain_effect_is_held() -> None:
    done = simulate("do: [{mail: {call: acme.mail}}]", {"mail": {"uncertain": True}})
    assert (done.stopped, decided(done)) == ("held", ["0 mail held"])


def test_answers_that_nobody_asked_for_are_named() -> None:
    source = "do: [{one: {call: acme.one}}, {two: {if: '${ false }', call: acme.two}}]"
    done = simulate(source, {"one": [{"output": 1}, {"output": 2}], "two": {"output": 3}})
    assert done.unused == ["/given/one/1", "/given/two"]
    assert "0 two skipped: its `if` does not hold" in decided(done)


def test_a_loop_without_end_is_ended() -> None:
    done = simulate("do: [{a: {wait: {seconds: 1}}}, {b: {set: {x: 1}, then: a}}]")
    assert (done.status, done.stopped) == (RunStatus.WAITING, "limit")


@pytest.mark.parametrize(
    ("given", "pointer", "says"),
    [
        ({"nobody": {"output": 1}}, "/given/nobody", "no `call` or `run` has this name"),
        ({"same": {"output": 1}}, "/given/same", "several tasks have this name"),
        ({"one": {}}, "/given/one", "give one of"),
        ({"one": {"output": 1, "uncertain": True}}, "/given/one", "give one of"),
        ({"one": [{"output": 1}, {"output": 1, "after": "soon"}]}, "/given/one/1", "ISO 8601"),
        ({"one": {"output": 1}, "/do/0/one": {"output": 1}}, "/given/~1do~10~1one", "give it once"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_place(given: Any, pointer: str, says: str) -> None:
    source = """
do:
  - one: {call: acme.one}
  - left: {do: [{same: {call: acme.a}}]}
  - right: {do: [{same: {call: acme.b}}]}
"""
    compiled = compile_definition((DOCUMENT + source).encode(), "application/yaml")
    (wrong,) = check_answers(compiled.program, _given(msgspec.json.encode(given)))
    assert wrong.pointer == pointer
    assert says in wrong.detail
