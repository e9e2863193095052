"""Search attributes: when they are evaluated, what they may be, and that none of them faults a run."""

from typing import Any

import pytest

from simulation.session import Session
from visapi_engine.compile.compiler import DefinitionInvalid, compile_definition
from visapi_engine.machine.attributes import ITEMS_MAX, TEXT_MAX
from visapi_engine.machine.state import decode_state

HEAD = "document: {{dsl: '1.0.3', namespace: test, name: story, version: '1.0.0', metadata: {{visapi: {{attributes: {0}}}}}}}\n"


def session(attributes: str, body: str) -> Session:
    source = HEAD.format(attributes) + body
    return Session(compile_definition(source.encode(), "application/yaml"))


def mistakes(attributes: str) -> dict[str, str]:
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition(
            (HEAD.format(attributes) + "do: [{a: {set: {x: 1}}}]").encode(), "application/yaml"
        )
    return {error.pointer: error.detail for error in caught.value.errors}


def attributes_of(run: Session) -> dict[str, Any] | None:
    assert run.last is not None
    return run.last.attributes


CALL = "do: [{a: {call: acme.a}}]"
INPUT_ONLY = "{customer: .customer.id, tier: '${ .tier // \"none\" }', total: '.items | map(.price) | add'}"


def test_attributes_follow_from_the_input_when_the_run_starts() -> None:
    run = session(INPUT_ONLY, CALL)
    run.start({"customer": {"id": "c-1"}, "items": [{"price": 2.5}, {"price": 2.5}]})
    assert attributes_of(run) == {"customer": "c-1", "tier": "none", "total": 5}
    run.complete("/do/0/a", {})
    assert attributes_of(run) is None


def test_the_input_is_the_one_that_was_sent_whatever_the_workflow_makes_of_it() -> None:
    run = session("{id: .id}", "input: {from: '${ {other: .id} }'}\n" + CALL)
    run.start({"id": 7})
    assert attributes_of(run) == {"id": 7}


def test_a_run_whose_input_breaks_the_schema_can_be_found_too() -> None:
    schema = "input: {schema: {format: json, document: {required: [name]}}}\n"
    run = session("{id: .id}", schema + CALL)
    run.start({"id": 7})
    assert (run.status(), attributes_of(run)) == ("faulted", {"id": 7})


def test_an_attribute_that_reads_the_context_is_evaluated_again_when_the_context_changes() -> None:
    run = session(
        "{stage: '$context.stage // \"new\"', id: .id}",
        "do: [{a: {call: acme.a, export: {as: '${ {stage: .stage} }'}}}, {b: {call: acme.b}}, {c: {call: acme.c}}]",
    )
    run.start({"id": 7})
    assert attributes_of(run) == {"stage": "new", "id": 7}
    run.complete("/do/0/a", {"stage": "paid"})
    assert attributes_of(run) == {"stage": "paid", "id": 7}
    run.complete("/do/1/b", {})
    assert attributes_of(run) is None


def test_a_context_that_gives_the_same_attributes_changes_none() -> None:
    run = session(
        "{stage: $context.stage}",
        "do: [{a: {call: acme.a, export: {as: '${ {stage: \"x\", n: .n} }'}}}, {b: {call: acme.b, export: {as: '${ {stage: \"x\"} }'}}}, {c: {call: acme.c}}]",
    )
    run.start({})
    run.complete("/do/0/a", {"n": 1})
    assert attributes_of(run) == {"stage": "x"}
    run.complete("/do/1/b", {})
    assert attributes_of(run) is None


def test_an_attribute_that_reads_the_output_is_evaluated_when_the_run_completes() -> None:
    run = session("{result: $output.result, id: .id}", CALL)
    run.start({"id": 7})
    assert attributes_of(run) == {"id": 7}
    run.complete("/do/0/a", {"result": True})
    assert attributes_of(run) == {"id": 7, "result": True}


def test_a_run_that_starts_and_completes_at_once_has_all_its_attributes() -> None:
    run = session(
        "{result: $output.x, stage: $context.y, id: .id}", "do: [{a: {set: {x: 1, y: 2}, export: {as: .}}}]"
    )
    run.start({"id": 7})
    assert (run.status(), attributes_of(run)) == ("completed", {"result": 1, "stage": 2, "id": 7})


def test_a_faulted_run_has_no_attribute_of_its_output() -> None:
    run = session("{result: $output.x, id: .id}", CALL)
    run.start({"id": 7})
    run.fault("/do/0/a")
    assert (run.status(), attributes_of(run)) == ("faulted", None)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("text", "text"), (5, 5), (5.0, 5), (1.25, 1.25), (True, True), (None, None), (["a", "b"], ["a", "b"]), ([], []),
        ({"an": "object"}, "nothing"), (["a", 1], "nothing"), ([["a"]], "nothing"), ("x" * (TEXT_MAX + 1), "nothing"),
        (["x"] * (ITEMS_MAX + 1), "nothing"), ("with \0", "nothing"), (1e300, "nothing"), (2**70, "nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_for_is_left_out_and_the_history_says_so(value: Any, kept: Any) -> None:
    run = session("{it: .it, other: .other}", CALL)
    run.start({"it": value, "other": "o"})
    noted = run.entries[0].data
    if kept == "nothing":
        assert attributes_of(run) == {"other": "o"}
        assert noted is not None
        assert list(noted["attributesLeftOut"]) == ["it"]
    else:
        assert (attributes_of(run), noted) == ({"it": kept, "other": "o"}, None)


def test_an_expression_that_fails_leaves_its_attribute_out_and_the_run_goes_on() -> None:
    run = session("{bad: '.name + 1', good: .name}", CALL)
    run.start({"name": "n"})
    assert (run.status(), attributes_of(run)) == ("running", {"good": "n"})
    assert run.entries[0].data is not None
    assert "bad" in run.entries[0].data["attributesLeftOut"]


def test_an_attribute_that_no_longer_holds_is_dropped() -> None:
    run = session(
        "{stage: $context.stage}",
        "do: [{a: {call: acme.a, export: {as: '${ {stage: {}} }'}}}, {b: {call: acme.b}}]",
    )
    run.start({"stage": "new"})
    assert attributes_of(run) == {"stage": "new"}
    run.complete("/do/0/a", {})
    assert attributes_of(run) == {}
    assert run.entries[-1].data is not None
    assert "stage" in run.entries[-1].data["attributesLeftOut"]


def test_a_replay_gives_the_same_state() -> None:
    run = session(
        "{stage: $context.stage}", "do: [{a: {call: acme.a, export: {as: .}}}, {b: {call: acme.b}}]"
    )
    run.start({})
    run.complete("/do/0/a", {"stage": "paid"})
    assert run.replayed() == run.state


def test_a_run_whose_attributes_follow_from_its_input_keeps_neither_in_its_state() -> None:
    run = session(INPUT_ONLY, CALL)
    run.start({"customer": {"id": "c-1"}, "items": []})
    assert run.state is not None
    state = decode_state(run.state)
    assert (state.input, state.attributes) == (None, {})


def test_mistakes_are_found_at_deployment() -> None:
    found = mistakes("{2nd: .x, ok: 5, secret: $secrets.key, syntax: '.[', variable: $inputs}")
    at = "/document/metadata/visapi/attributes/"
    assert "must be named by a letter" in found[at + "2nd"]
    assert "must be a runtime expression in a text" in found[at + "ok"]
    assert "`$secrets` is not available here" in found[at + "secret"]
    assert found[at + "syntax"] == "a closing `]` is missing"
    assert "unknown variable `$inputs`" in found[at + "variable"]


def test_there_are_at_most_twenty() -> None:
    many = "{" + ", ".join(f"a{n}: .x" for n in range(21)) + "}"
    assert mistakes(many)["/document/metadata/visapi/attributes"] == "at most 20 attributes, found 21"
