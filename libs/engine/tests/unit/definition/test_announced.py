"""Arguments held against what a worker announced: constants are judged, expressions are left alone."""

from typing import Any

import pytest

from visapi_common.contracts.task_messages import FunctionSpec
from visapi_engine.compile.compiler import Compiled, DefinitionInvalid, compile_definition

HEAD = "document: {dsl: '1.0.3', namespace: test, name: sample, version: '1.0.0'}\n"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["amount", "to"],
    "additionalProperties": False,
    "properties": {
        "amount": {"type": "number", "minimum": 0},
        "to": {"$ref": "#/$defs/Account"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "kind": {"enum": ["card", "cash"]},
    },
    "if": {"properties": {"kind": {"const": "card"}}, "required": ["kind"]},
    "then": {"properties": {"amount": {"maximum": 100}}},
    "$defs": {
        "Account": {
            "type": "object",
            "required": ["iban"],
            "properties": {"iban": {"type": "string", "pattern": "^[A-Z]{2}"}},
            "oneOf": [{"required": ["name"]}, {"required": ["title"]}],
        }
    },
}


def compiled(arguments: str, *, call: str = "acme.pay", rest: str = "", schema: Any = SCHEMA) -> Compiled:
    text = f"{HEAD}{rest}do:\n  - pay:\n      call: {call}\n      with: {arguments}\n"
    announced = {"acme.pay": FunctionSpec("acme.pay", "1.2.0", input_schema=schema)}
    return compile_definition(text.encode(), "application/yaml", announced)


def mistakes(arguments: str, **options: Any) -> dict[str, str]:
    with pytest.raises(DefinitionInvalid) as caught:
        compiled(arguments, **options)
    return {error.pointer: error.detail for error in caught.value.errors}


def test_a_constant_that_the_function_refuses_is_a_mistake_with_its_place() -> None:
    found = mistakes("{amount: -5, to: {iban: de12, name: n}, tags: [a, 2], kind: coin}")
    assert set(found) == {
        "/do/0/pay/with/amount",
        "/do/0/pay/with/to/iban",
        "/do/0/pay/with/tags/1",
        "/do/0/pay/with/kind",
    }
    assert found["/do/0/pay/with/amount"] == (
        "acme.pay 1.2.0 does not take this: -5 is less than the minimum of 0"
    )


def test_a_name_is_missing_or_unknown_whatever_the_expressions_give() -> None:
    assert list(mistakes("{amount: '${ .a }'}")) == ["/do/0/pay/with"]
    assert '"to" is a required property' in mistakes("{amount: '${ .a }'}")["/do/0/pay/with"]
    unknown = mistakes("{amount: '${ .a }', to: '${ .t }', amuont: '${ .b }'}")
    assert "'amuont' was unexpected" in unknown["/do/0/pay/with"]


@pytest.mark.parametrize(
    "arguments",
    [
        "{amount: 5, to: {iban: DE12, name: n}}",
        "{amount: '${ .a }', to: '${ .t }'}",
        "{amount: 5, to: {iban: '${ .i }', name: n}, tags: ['${ .x }', b]}",
        # What judges one member by another, or an object as a whole, is left to the run.
        "{amount: 500, to: {iban: DE12, name: n}, kind: '${ .k }'}",
        "{amount: 5, to: {iban: DE12, name: n, title: '${ .t }'}}",
    ],
)
def test_what_an_expression_may_make_right_is_left_alone(arguments: str) -> None:
    assert compiled(arguments).program.nodes["/do/0/pay"]


def test_the_size_of_a_list_is_written_out() -> None:
    assert list(mistakes("{amount: 5, to: '${ .t }', tags: ['${ .x }', b, c]}")) == ["/do/0/pay/with/tags"]


def test_what_one_member_asks_of_another_counts_when_both_are_constant() -> None:
    found = mistakes("{amount: 500, to: {iban: DE12, name: n}, kind: card}")
    assert list(found) == ["/do/0/pay/with/amount"]


def test_a_version_that_was_not_announced_is_not_judged() -> None:
    assert compiled("{amount: x}", call="acme.pay:1.0.0")
    assert mistakes("{amount: x, to: '${ .t }'}", call="acme.pay:1.2.0")


def test_a_call_in_a_reusable_function_is_judged_where_it_is_written() -> None:
    rest = "use: {functions: {pay: {call: acme.pay, with: {amount: x, to: '${ .t }'}}}}\n"
    assert list(mistakes("{t: 1}", call="pay", rest=rest)) == ["/use/functions/pay/with/amount"]


def test_an_announced_function_is_known_and_a_wrong_schema_is_only_a_warning() -> None:
    assert compiled("{amount: 1, to: '${ .t }'}").warnings == []
    (warning,) = compiled("{amount: x}", schema={"type": "nonsense"}).warnings
    assert "announced an input schema that is none" in warning.detail


def test_in_loose_mode_a_text_may_be_an_expression() -> None:
    assert compiled("{amount: .amount, to: '${ .t }'}", rest="evaluate: {mode: loose}\n")
    assert mistakes("{amount: -1, to: .t}", rest="evaluate: {mode: loose}\n")
