"""Templates and expressions as the machine uses them."""

import time
from typing import Any

import pytest

from visapi_engine.expressions.evaluate import Scope, build_evaluator, truth
from visapi_engine.expressions.scope import ExpressionError
from visapi_engine.model.program import Jq, Literal, Program, Record, Sequence

PROGRAM = Program(namespace="test", name="t", version="1.0.0", children=[], nodes={}, document={})


def test_a_template_is_filled_in_place_by_place() -> None:
    template = Record(
        {
            "name": Jq(".name"),
            "fixed": Literal([1, "${ .name }"]),
            "list": Sequence([Jq("$context.k"), Literal(2)]),
        }
    )
    scope = Scope({"name": "Ada"}, {"context": {"k": 1}})
    assert build_evaluator(PROGRAM)(template, scope) == {
        "name": "Ada",
        "fixed": [1, "${ .name }"],
        "list": [1, 2],
    }


def test_expressions_in_data_stay_text() -> None:
    scope = Scope({"evil": "${ env }", "key": "${ 1 }"})
    assert build_evaluator(PROGRAM)(Record({"x": Jq(".evil"), "y": Jq("{(.key): 1}")}), scope) == {
        "x": "${ env }",
        "y": {"${ 1 }": 1},
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (".a.b[1].c", "x"),
        (".missing.deeper", None),
        ("$context.n + 1", 6),
        ("$nothing", None),
        ('"\\(.name) is \\($context.n)"', "Ada is 5"),
        (".n < 18", True),
        ('.name // "unknown"', "Ada"),
        ('.no // "unknown"', "unknown"),
        ('if .name == "Ada" then 1 else 2 end', 1),
        ("[.a.b[] | .c?] | length", 2),
        ('.a.b | map(.c) | join("-")', "-x"),
        ('@uri "https://x.example/\\(.name)/\\("a/b c")"', "https://x.example/Ada/a%2Fb%20c"),
        ("now", 1_700_000_000.5),
        ("now | todate", "2023-11-14T22:13:20Z"),
        ("1 == 1.0", True),
        ("true == 1", False),
        ("empty", None),
        ("12345678901234567890", 12345678901234567890),
        ("reduce range(5) as $i (0; . + $i)", 10),
        (". as {name: $n} | $n", "Ada"),
        ("def twice: . * 2; $context.n | twice", 10),
        ("$context | keys", ["m", "n"]),
    ],
)
def test_expressions_mean_what_jq_means(source: str, expected: Any) -> None:
    scope = Scope(
        {"name": "Ada", "a": {"b": [{}, {"c": "x"}]}},
        {"context": {"n": 5, "m": None}},
        now_ms=1_700_000_000_500,
    )
    assert build_evaluator(PROGRAM)(Jq(source), scope) == expected


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        (".name + 1", 'string ("Ada") and number (1) cannot be added'),
        (".name.x", 'Cannot index string with string ("x")'),
        (".[]", "more than one value"),
        ('error("no stock")', "no stock"),
        ("1 / (.name | length - 3)", "divisor is zero"),
        ("env", "refused"),
        ("nope", "nope/0 is not defined"),
    ],
)
def test_a_failing_expression_says_why(source: str, detail: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        build_evaluator(PROGRAM)(Jq(source), Scope({"name": "Ada", "x": 1}))
    assert detail in caught.value.detail


def test_in_loose_mode_what_fails_is_text() -> None:
    evaluate = build_evaluator(PROGRAM)
    assert evaluate(Jq(".a.b", otherwise=".a.b"), Scope({"a": "text"})) == ".a.b"
    assert evaluate(Jq(".a", otherwise=".a"), Scope({"a": 1})) == 1


@pytest.mark.parametrize(
    ("value", "expected"), [(None, False), (False, False), (0, True), ("", True), ([], True), (True, True)]
)
def test_truth_is_that_of_jq(value: Any, expected: bool) -> None:
    assert truth(value) is expected


def test_the_environment_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAPI_PROBE", "s3cret")
    for source in ("env", "$ENV", "[limit(1; env)]", 'getpath(["x"]) // env', '"\\($ENV)"'):
        with pytest.raises(ExpressionError, match="refused"):
            build_evaluator(PROGRAM)(Jq(source), Scope(None))


def test_a_simple_expression_takes_microseconds() -> None:
    evaluate = build_evaluator(PROGRAM)
    scope = Scope({"order": {"total": 12, "client": {"email": "a@b.c"}}}, {"context": {"k": 1}})
    template = Record({"to": Jq(".order.client.email"), "ok": Jq(".order.total > 10 and $context.k == 1")})
    evaluate(template, scope)
    best = min(_timed(lambda: evaluate(template, scope)) for _ in range(20))
    assert best / 200 / 2 < 25e-6


def _timed(run: Any) -> float:
    began = time.perf_counter()
    for _ in range(200):
        run()
    return time.perf_counter() - began
