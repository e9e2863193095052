"""The gate: which jq may run, and what an author is told about the rest."""

import resource
import time
from contextlib import suppress

import pytest

from visapi_engine.expressions.gate import Refused, inspect
from visapi_engine.expressions.lexer import LENGTH_MAX
from visapi_engine.expressions.libjq import compile_errors


def reasons(source: str) -> str:
    with pytest.raises(Refused) as caught:
        inspect(source)
    return str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "env",
        "$ENV",
        "env.PATH",
        ".a | env | .HOME",
        '"\\(env)"',
        '"\\("\\(env.HOME)")"',
        '@base64 "\\($ENV.PATH)"',
        "{a: env}",
        "{(env|tostring): 1}",
        "{a: 1, (input): 2}",
        "[input, 1]",
        "inputs",
        "input_filename",
        "input_line_number",
        "halt",
        "halt_error",
        '"x" | halt_error(1)',
        "debug",
        'debug("x")',
        "stderr",
        'import "a" as a; .',
        'include "a"; .',
        '"./x" | modulemeta',
        "get_search_list",
        "get_prog_origin",
        "$__loc__",
        "$__prog_args",
        "a::b",
        "def env: 1; env",
        "# \\\nenv\nenv",
    ],
)
def test_what_reaches_beyond_the_scope_is_refused(source: str) -> None:
    assert "refused" in reasons(source)


@pytest.mark.parametrize(
    "source",
    [
        ".env",
        "{env: 1}",
        "{input: 1, env}",
        ".input.debug",
        '."input"',
        '{"env": 1} | .env',
        "$input",
        '"env"',
        "{input}",
        "# env\n.",
    ],
)
def test_names_of_fields_are_free(source: str) -> None:
    assert compile_errors([(inspect(source).text, frozenset({"input"}))]) == [None]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "empty"),
        ("  # nothing", "empty"),
        ("." * (LENGTH_MAX + 1), "characters"),
        ("(" * 100 + ")" * 100, "nested deeper"),
        ('"' + '\\("' * 100, "nested deeper"),
        ("(1", "closing `)` is missing"),
        ("1)", "closes nothing"),
        ("(1]", "closes nothing"),
        ('"abc', "not closed"),
        ('"\\q"', "unknown escape"),
        (".a & .b", "unexpected '&' at character 4"),
        ("1\0", "NUL"),
        ('"\\(1', "missing"),
    ],
)
def test_what_is_no_jq_is_refused_with_its_place(source: str, reason: str) -> None:
    assert reason in reasons(source)


def test_all_reasons_are_given_at_once() -> None:
    assert reasons("env + input").count("refused") == 2


def test_a_closing_parenthesis_cannot_escape_from_our_wrapper() -> None:
    assert "closes nothing" in reasons("1) | env | (.")
    assert compile_errors([(inspect(". # \\").text, frozenset())]) == [None]


@pytest.mark.parametrize(
    "source", ['"x" * 1000000000', '("a" + "b") * 1e9 | length', '{"a": ("x" * 100000000)}']
)
def test_a_repeated_text_is_not_built_while_compiling(source: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    compile_errors([(inspect(source).text, frozenset())])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_libjq_names_each_expression_that_does_not_compile() -> None:
    texts = [(inspect(source).text, frozenset[str]()) for source in (".a", "nope(1)", "1 +", "$x")]
    fine, unknown, syntax, variable = compile_errors(texts)
    assert fine is None
    assert unknown == "nope/1 is not defined"
    assert "syntax error" in (syntax or "")
    assert variable == "$x is not defined"


@pytest.mark.parametrize(
    "piece",
    [
        "|.",
        "+.",
        "//1",
        "[0]",
        ".a",
        "?",
        ",1",
        " and 1",
        '"\\(1)"+',
        "def a:1;",
        "try ",
        "-",
        "label $x|",
        "1,",
    ],
)
def test_the_longest_source_compiles_in_bounded_time(piece: str) -> None:
    body = piece * ((LENGTH_MAX - 2) // len(piece))
    began = time.process_time()
    with suppress(Refused):
        compile_errors([(inspect("." + body + "1").text, frozenset())])
    assert time.process_time() - began < 3
