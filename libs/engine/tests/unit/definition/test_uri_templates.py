"""URI templates of endpoints (dsl-reference, URI Template), as the engine fills them in."""

from typing import Any

import pytest

from visapi_engine.compile.build import Build
from visapi_engine.compile.registry import CONSTRUCTS
from visapi_engine.compile.templates import TASK
from visapi_engine.compile.uri_templates import uri_template
from visapi_engine.expressions.evaluate import Scope, build_evaluator
from visapi_engine.expressions.scope import ExpressionError
from visapi_engine.model.program import Literal, Program, Template

PROGRAM = Program(namespace="test", name="t", version="1.0.0", children=[], nodes={}, document={})


def template(text: str) -> Template:
    build = Build(constructs=CONSTRUCTS)
    made = uri_template(build, text, "/uri", TASK)
    assert build.findings.errors == []
    return made


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"petId": 7}, "7"),
        ({"petId": "a b/é?"}, "a%20b%2F%C3%A9%3F"),
        ({"petId": False}, "false"),
        ({"petId": 1.5}, "1.5"),
        ({"petId": None}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_a_variable_is_a_property_of_the_input_percent_encoded(value: Any, expected: str) -> None:
    filled = build_evaluator(PROGRAM)(template("https://x.example/pets/{petId}/toys?q=%20&é=1"), Scope(value))
    assert filled == f"https://x.example/pets/{expected}/toys?q=%20&é=1"


def test_names_with_dots_are_taken_verbatim() -> None:
    filled = build_evaluator(PROGRAM)(
        template("https://x.example/{pet.id}"), Scope({"pet.id": 1, "pet": {"id": 2}})
    )
    assert filled == "https://x.example/1"


@pytest.mark.parametrize("value", [{"id": {}}, {"id": []}])
def test_an_object_in_a_uri_is_an_expression_error(value: Any) -> None:
    with pytest.raises(ExpressionError, match="id must be text"):
        build_evaluator(PROGRAM)(template("https://x.example/{id}"), Scope(value))


def test_a_uri_without_variables_is_a_constant() -> None:
    assert template("https://x.example/a") == Literal("https://x.example/a")
