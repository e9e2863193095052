"""The native path against libjq: whatever it answers, jq answers alike, to the last digit and key."""

import json
from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from visapi_engine.expressions.gate import Refused, inspect
from visapi_engine.expressions.libjq import JqProgram, compile_errors
from visapi_engine.expressions.native import parse
from visapi_engine.expressions.scope import ExpressionError, Scope
from visapi_engine.expressions.values import Defer

NAMES = ("a", "b", "c", "input", "and")
VARIABLES = ("context", "input")

numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(-(2**60), 2**60),
    st.sampled_from([0, 2**53, 2**53 - 1, -(2**53), 10**17]),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from([0.5, 1.0, -0.0, 1e300, 1e-7, 0.1]),
)
texts = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=4)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
data = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=8,
)

literals = st.sampled_from(
    [
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "2.5",
        "1.0",
        ".5",
        "1e3",
        '""',
        '"x y/é"',
        '"\\n\\""',
        "[]",
        "{}",
    ]
)
paths = st.sampled_from(
    [
        ".",
        ".a",
        ".b.c",
        '.["a"]',
        '."a"',
        ".a?",
        ".[0]",
        ".[-1]",
        ".a[1]",
        ".and",
        "$context",
        "$input.a",
        ".a.[0]",
        '.a."b"',
    ]
)
functions = st.sampled_from(
    ["not", "length", "type", "tostring", "now", '@uri "q/\\(.a)"', '"\\(.)-\\(.a)"', 'error("no")']
)


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(
        ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or", "//", "|"]
    )
    return st.one_of(
        st.builds(lambda left, op, right: f"{left} {op} {right}", inner, operators, inner),
        st.builds(lambda one: f"({one})", inner),
        st.builds(lambda one: f"-{one}", inner),
        st.builds(lambda one: f"({one}).a", inner),
        st.builds(lambda one, key: f"({one})[{key}]", inner, inner),
        st.builds(lambda items: f"[{','.join(items)}]", st.lists(inner, max_size=3)),
        st.builds(lambda one, two: f'{{a: {one}, $context, b, "k\\({two})": 1}}', inner, inner),
        st.builds(lambda one, two: f"{{({one}): {two}}}", inner, inner),
        st.builds(lambda one: f'"<\\({one})>"', inner),
        st.builds(lambda a, b, c: f"if {a} then {b} elif {b} then {a} else {c} end", inner, inner, inner),
        st.builds(lambda a, b: f"if {a} then {b} end", inner, inner),
    )


sources = st.recursive(st.one_of(literals, paths, functions), _compound, max_leaves=6)


def shown(value: Any) -> str:
    """Key order, digits and the difference of 1 and 1.0 included; beyond 2^53 only the number counts."""
    if isinstance(value, float) and value.is_integer() and abs(value) >= 2**53:
        return str(int(value))
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{shown(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(shown, value)) + "]"
    return json.dumps(value)


@settings(max_examples=1000, deadline=None)
@given(source=sources, value=data, context=data, now_ms=st.integers(0, 4_000_000_000_000))
@example(source=".a | .b, .a", value={"a": {"b": 1}}, context=None, now_ms=0)
@example(source="[.a | .b, .a]", value={"a": {"b": 1}}, context=None, now_ms=0)
@example(source="- .a % 2", value={"a": -3}, context=None, now_ms=0)
@example(source="1 == 1 == 1", value=None, context=None, now_ms=0)
def test_what_the_native_path_answers_jq_answers_alike(
    source: str, value: Any, context: Any, now_ms: int
) -> None:
    inspected = inspect(source)
    native = parse(inspected.tokens)
    if native is None:
        return
    value, context = json.loads(msgspec.json.encode([value, context]))
    scope = Scope(value, {"context": context, "input": {"a": value}}, now_ms)
    try:
        answer = native(value, scope)
    except Defer:
        return
    (refused,) = compile_errors([(inspected.text, inspected.variables)])
    if refused is not None:
        # libjq refuses some constant branches that would never run, such as `{(null): 1}`: at deployment.
        assert "syntax" not in refused
        return
    program = JqProgram(inspected.text, inspected.variables)
    assert shown(program.evaluate(scope)) == shown(answer)


tokens = st.sampled_from(
    [
        *'.|,:;()[]{}+-*/%=<>?"',
        "..",
        "//",
        "==",
        "!=",
        "and",
        "or",
        "not",
        "if",
        "then",
        "else",
        "end",
        "elif",
        "as",
        ".a",
        ".b",
        "$context",
        "1",
        "2.5",
        '"s"',
        '"\\(1)"',
        "a",
        "length",
        "@uri",
        "reduce",
        "try",
        "def",
        "null",
        " ",
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(tokens, max_size=14).map(" ".join))
def test_what_the_native_parser_reads_libjq_compiles(source: str) -> None:
    try:
        inspected = inspect(source)
    except Refused:
        return
    if parse(inspected.tokens) is not None:
        (error,) = compile_errors([(inspected.text, frozenset({"context"}))])
        assert error is None or "syntax" not in error


@settings(max_examples=600, deadline=None)
@given(st.text(alphabet=st.sampled_from('.|,:()[]{}+-*/"\\$@#\n ae1?'), max_size=120))
def test_the_gate_lets_nothing_out_of_the_parentheses_that_libjq_is_given(source: str) -> None:
    try:
        inspected = inspect(source)
    except Refused:
        return
    (error,) = compile_errors([(inspected.text, frozenset())])
    if error is None:
        program = JqProgram(inspected.text, inspected.variables)
        with suppress(ExpressionError):
            program.evaluate(Scope({"a": 1}))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["(", "[", "{a:", '"\\(', "-", ".", "1|", "try ", "if 1 then ", "x", '"', " as $x|", "def f:"]
        ),
        max_size=900,
    )
)
def test_hostile_source_neither_crashes_nor_stalls_compilation(pieces: list[str]) -> None:
    try:
        inspected = inspect("".join(pieces))
    except Refused:
        return
    parse(inspected.tokens)
    compile_errors([(inspected.text, frozenset())])


@settings(max_examples=300, deadline=None)
@given(data)
def test_numbers_that_are_only_passed_on_keep_their_digits_on_both_paths(value: Any) -> None:
    value = json.loads(msgspec.json.encode(value))
    scope = Scope({"a": value})
    native = parse(inspect(".a").tokens)
    assert native is not None
    assert shown(native(scope.input, scope)) == shown(value)
    assert JqProgram(".a", ()).evaluate(scope) == value
