"""A dry run: the machine as it is, with given answers in place of the world, in virtual time."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from visapi_common.contracts.runs import RunStatus
from visapi_common.contracts.simulation import SimulateWorkflow, Simulation
from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_engine.process.protocol import Simulate
from visapi_engine.process.simulating import simulated
from visapi_engine.simulation.request import RequestInvalid, read_request

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DOCUMENT = "document: {dsl: '1.0.3', namespace: test, name: dry, version: '1.0.0'}\n"
_decode = msgspec.json.Decoder(Simulation).decode


def compiled(source: str) -> Compiled:
    return compile_definition((DOCUMENT + source).encode(), "application/yaml")


def asked(**members: Any) -> SimulateWorkflow:
    return msgspec.convert({"workflow": None, **members}, SimulateWorkflow)


def simulate(
    source: str, given: Any = None, value: Any = None, events: list[Any] | None = None
) -> Simulation:
    made = compiled(source)
    request = asked(input=value, given=given or {}, events=events or [])
    return _decode(simulated(Simulate(made.body, read_request(made.program, request, NOON))).body)


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
    assert missing.give == 'add to `given`: "/do/0/score": {"output": …} (or "error")'


def test_a_list_that_is_too_short_says_which_answer_it_lacks() -> None:
    source = "do: [{each: {for: {in: '${ [1, 2] }'}, do: [{ask: {call: acme.ask}}]}}]"
    (missing,) = simulate(source, {"ask": [{"output": 1}]}).missing
    assert missing.give == "append answer number 2 to the list /given/ask"
    done = simulate(source, {"ask": [{"output": 1}, {"output": 2}]})
    assert (done.output, decided(done)[-1]) == (2, "0 each completed: iterations: 2")


def test_other_branches_go_on_until_time_would_have_to_pass() -> None:
    source = """
do:
  - both:
      fork:
        branches:
          - asks: {call: acme.ask}
          - sets: {set: {x: 1}}
          - waits: {wait: {seconds: 1}}
"""
    done = simulate(source)
    assert (done.stopped, decided(done), done.elapsed_ms) == ("missing", ["0 sets completed"], 0)


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
        "6000 guarded completed: caught Down: 503",
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
    assert decided(done)[-2:] == ["1000 a cancelled", "1000 race completed: the branch b was first"]


def test_events_are_offered_to_whoever_listens() -> None:
    source = "do: [{hear: {listen: {to: {one: {with: {type: order.paid}}}}}}]"
    done = simulate(source, events=[event("order.made"), event("order.paid", {"n": 3}), event("order.paid")])
    assert (done.status, done.output, done.unused) == (
        RunStatus.COMPLETED,
        [{"n": 3}],
        ["/events/0", "/events/2"],
    )
    assert simulate(source).stopped == "listening"


def test_an_event_needs_to_say_its_type_only() -> None:
    source = "do: [{hear: {listen: {to: {one: {with: {type: order.paid}}, }, read: envelope}}}]"
    (heard,) = simulate(source, events=[{"type": "order.paid", "data": 1}]).output
    assert (heard["specversion"], heard["type"], heard["data"]) == ("1.0", "order.paid", 1)


def test_the_run_hears_what_it_emits_itself() -> None:
    source = """
do:
  - both:
      fork:
        branches:
          - hears: {listen: {to: {one: {with: {type: said}}}}}
          - says: {emit: {event: {with: {type: said, data: 5}}}}
"""
    done = simulate(source)
    assert (done.status, done.output[0]) == (RunStatus.COMPLETED, [5])
    late = simulate("""
do:
  - says: {emit: {event: {with: {type: said}}}}
  - waits: {wait: {seconds: 1}}
  - hears: {listen: {to: {one: {with: {type: said}}}}}
""")
    assert late.stopped == "listening"


def test_secrets_are_hidden_wherever_they_would_go() -> None:
    source = """
use: {secrets: [api]}
do:
  - go: {call: acme.go, with: {token: '${ "Bearer " + $secrets.api }'}}
  - keep: {set: {kept: '${ $secrets.api }'}}
"""
    assert simulate(source).missing[0].arguments == {"token": "Bearer ***"}
    done = simulate(source, {"go": {"output": 1}})
    assert done.output == {"kept": "***"}
    assert b"vsec1" not in msgspec.json.encode(done)


def test_a_condition_is_told_whether_it_holds_or_not() -> None:
    source = "do: [{a: {if: '${ .n > 1 }', set: {n: 1}}}, {b: {if: '${ .n > 1 }', set: {n: 0}}}]"
    assert decided(simulate(source, value={"n": 2})) == [
        "0 a entered: its `if` holds",
        "0 a completed",
        "0 b skipped: its `if` does not hold",
    ]


def test_catches_in_a_loop_are_told_one_by_one() -> None:
    source = """
do:
  - each:
      for: {in: '${ [1, 2] }'}
      do:
        - guarded:
            try: [{fail: {raise: {error: {type: 'https://e.example/odd', status: 400}}}}]
            catch: {errors: {with: {status: 400}}, when: '${ $item == 1 }'}
"""
    told = decided(simulate(source))
    error = "https://e.example/odd: 400"
    assert told == [
        f"0 fail faulted: {error}",
        "0 guarded caught: it goes on",
        f"0 guarded completed: caught {error}",
        f"0 fail faulted: {error}",
        f"0 guarded faulted: {error}",
        f"0 each faulted: {error}",
    ]


def test_the_same_simulation_always_gives_the_same() -> None:
    source = "do: [{a: {set: {id: '${ $workflow.id }', at: '${ $workflow.startedAt.iso8601 }'}}}]"
    assert msgspec.json.encode(simulate(source)) == msgspec.json.encode(simulate(source))
    assert simulate(source).output["at"] == "2026-01-01T12:00:00.000Z"


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
        ({"on": {"output": 1}}, "/given/on", 'Did you mean "one"?'),
        ({"plain": {"output": 1}}, "/given/plain", "/do/2/plain asks nobody"),
        ({"child": {"uncertain": True}}, "/given/child", "never uncertain"),
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
  - child: {run: {workflow: {namespace: a, name: b, version: '1.0.0'}}}
  - plain: {set: {x: 1}}
  - left: {do: [{same: {call: acme.a}}]}
  - right: {do: [{same: {call: acme.b}}]}
"""
    with pytest.raises(RequestInvalid) as caught:
        read_request(compiled(source).program, asked(given=given), NOON)
    (wrong,) = caught.value.mistakes
    assert wrong.pointer == pointer
    assert says in wrong.detail


def test_wrong_events_and_a_begin_out_of_range_are_refused_with_their_places() -> None:
    request = asked(events=[{"type": "a"}, {"data": 1}], now="1960-01-01T00:00:00Z")
    with pytest.raises(RequestInvalid) as caught:
        read_request(compiled("do: [{a: {set: {x: 1}}}]").program, request, NOON)
    assert [wrong.pointer for wrong in caught.value.mistakes] == ["/events/1", "/now"]
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        asked(now="2026-01-01T00:00:00")


ASK = """
do:
- ask:
    call: human.approve
    with:
      title: Go?
      notify: [{mail: {call: acme.mail, with: {link: '${ $approval.link }'}}}]
      deadline: PT2H
      onDeadline: reject
      escalation: {after: PT1H, notify: [{louder: {call: acme.mail}}]}
"""
TOLD = {"mail": {"output": {}}, "louder": {"output": {}}}


def test_a_decision_of_people_is_given_like_an_output() -> None:
    given = {**TOLD, "ask": {"output": {"decision": "approve", "comment": "ok"}, "after": "PT90M"}}
    done = simulate(ASK, given)
    assert (done.output["decision"], done.output["comment"], done.elapsed_ms) == ("approve", "ok", 5_400_000)
    assert done.unused == []


def test_a_decision_that_comes_too_late_lets_the_deadline_decide() -> None:
    done = simulate(ASK, {**TOLD, "ask": {"output": {"decision": "approve"}, "after": "PT3H"}})
    assert (done.output["decision"], done.output["by"], done.elapsed_ms) == ("reject", "deadline", 7_200_000)


def test_a_missing_decision_shows_the_question_and_no_link() -> None:
    done = simulate(ASK, TOLD)
    (missing,) = done.missing
    assert (missing.function, missing.arguments["choices"]) == ("human.approve", ["approve", "reject"])
    assert "vsec1" not in msgspec.json.encode(done).decode()


def test_what_is_no_decision_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="decision of people"):
        simulate(ASK, {"ask": {"output": {"yes": True}}})
