"""Flow control: what a workflow may say, and what a run asks for before it begins."""

from typing import Any

import pytest

from simulation.session import Session
from visapi_engine.compile.compiler import DefinitionInvalid, compile_definition
from visapi_engine.machine.admission import KEY_MAX
from visapi_engine.machine.state import Admission, decode_state

HEAD = (
    "document: {{dsl: '1.0.3', namespace: test, name: story, version: '1.0.0', metadata: {{visapi: {0}}}}}\n"
)
CALL = "do: [{a: {call: acme.a}}]"
AT = "/document/metadata/visapi"


def session(settings: str, body: str = CALL) -> Session:
    return Session(compile_definition((HEAD.format(settings) + body).encode(), "application/yaml"))


def admission(settings: str, given: Any, body: str = CALL) -> Admission | None:
    run = session(settings, body)
    run.start(given)
    assert run.state is not None
    return decode_state(run.state).admission


def mistakes(settings: str) -> dict[str, str]:
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition((HEAD.format(settings) + CALL).encode(), "application/yaml")
    return {error.pointer.removeprefix(AT): error.detail for error in caught.value.errors}


def test_a_run_asks_for_what_its_input_says():
    settings = (
        "{concurrency: {key: '${ .who }', limit: 3, onLimit: reject},"
        " rateLimit: {key: '${ [.who, .what] }', limit: 10, period: PT1M}, priority: '${ .p }'}"
    )
    assert admission(settings, {"who": "a", "what": 1, "p": 7}) == Admission(
        priority=7,
        key='"a"',
        limit=3,
        on_limit="reject",
        rate_key='["a",1]',
        rate_limit=10,
        period_ms=60_000,
    )


def test_without_a_key_all_runs_of_a_workflow_share_one_and_five_is_the_usual_priority():
    assert admission("{concurrency: {limit: 1}}", {}) == Admission(priority=5, key="", limit=1)


def test_a_workflow_without_flow_control_asks_for_nothing():
    assert admission("{attributes: {n: .n}}", {"n": 1}) is None


def test_keys_are_worked_out_on_the_input_as_it_was_sent():
    body = "input: {from: '${ {other: .who} }'}\n" + CALL
    found = admission("{concurrency: {key: '${ .who }', limit: 1}}", {"who": "a"}, body)
    assert found is not None
    assert found.key == '"a"'


def test_objects_that_differ_only_in_the_order_of_their_keys_are_one_key():
    settings = "{concurrency: {key: '${ .who }', limit: 1}}"
    one, other = (admission(settings, {"who": who}) for who in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
    assert one == other


def test_an_ended_run_still_knows_what_it_gives_back():
    run = session("{concurrency: {key: '${ .who }', limit: 1}}")
    run.start({"who": "a"})
    run.complete("/do/0/a", {})
    assert run.status() == "completed"
    assert run.state is not None
    kept = decode_state(run.state).admission
    assert kept is not None
    assert kept.key == '"a"'


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("{priority: '${ .p }'}", "a whole number from 0 to 9, it is 12"),
        ("{concurrency: {key: '${ .long }', limit: 1}}", f"more than {KEY_MAX} bytes"),
    ],
)
def test_a_key_or_priority_that_cannot_be_faults_the_run_and_says_why(settings: str, said: str):
    run = session(settings)
    run.start({"p": 12, "long": "x" * KEY_MAX})
    assert run.status() == "faulted"
    assert run.last is not None
    assert said in str(run.last.error)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{concurrency: {limit: 0}}", "/concurrency/limit"),
        ("{concurrency: {key: '${ .a }'}}", "/concurrency"),
        ("{concurrency: {limit: 1, onLimit: wait}}", "/concurrency/onLimit"),
        ("{concurrency: {limit: 1, onlimit: queue}}", "/concurrency/onlimit"),
        ("{concurrency: 3}", "/concurrency"),
        ("{concurrency: {limit: 1, key: '${ .a ..'}}", "/concurrency/key"),
        ("{concurrency: {limit: 1, key: '${ $context.a }'}}", "/concurrency/key"),
        ("{rateLimit: {limit: 1, period: PT0.01S}}", "/rateLimit/period"),
        ("{rateLimit: {limit: 1}}", "/rateLimit"),
        ("{priority: 10}", "/priority"),
        ("{priority: high}", "/priority"),
    ],
)
def test_what_a_workflow_cannot_say_is_refused_at_its_place(settings: str, expected: str):
    assert expected in mistakes(settings)
