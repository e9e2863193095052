"""Mistakes in texts that look right: expressions without their end, types that nothing raises, metadata."""

from textwrap import dedent, indent

import pytest

from visapi_engine.compile.compiler import Compiled, DefinitionInvalid, compile_definition

HEAD = "document: {dsl: '1.0.3', namespace: test, name: sample, version: '1.0.0'}\n"


def compiled(tasks: str) -> Compiled:
    text = HEAD + "do:\n" + indent(dedent(tasks).strip("\n"), "  ") + "\n"
    return compile_definition(text.encode(), "application/yaml")


def mistakes(tasks: str) -> dict[str, str]:
    with pytest.raises(DefinitionInvalid) as caught:
        compiled(tasks)
    return {error.pointer: error.detail for error in caught.value.errors}


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("https://serverlessworkflow.io/dsl/errors/types/communication", "spec/1.0.0/errors/communication"),
        ("timeout", "spec/1.0.0/errors/timeout"),
        ("https://serverlessworkflow.io/spec/1.0.0/errors/timout", 'Did you mean "timeout"?'),
    ],
)
def test_a_type_that_nothing_raises_is_a_warning_in_a_catch(kind: str, hint: str) -> None:
    (warning,) = compiled(
        f"- a: {{try: [{{b: {{set: {{x: 1}}}}}}], catch: {{errors: {{with: {{type: '{kind}'}}}}}}}}"
    ).warnings
    assert hint in warning.detail


@pytest.mark.parametrize(
    "kind",
    [
        "https://serverlessworkflow.io/spec/1.0.0/errors/timeout",
        "https://open-workflow-specification.org/spec/1.0.0/errors/timeout",
        "https://acme.example/errors/timeout",
    ],
)
def test_types_that_may_be_raised_are_none(kind: str) -> None:
    assert not compiled(
        f"- a: {{try: [{{b: {{set: {{x: 1}}}}}}], catch: {{errors: {{with: {{type: '{kind}'}}}}}}}}"
    ).warnings


@pytest.mark.parametrize(
    ("task", "at"),
    [
        ("set:\n      x: ${ .a # a comment\n", "/do/0/a/set/x"),
        ("set: '${ .a'", "/do/0/a/set"),
        ("set:\n      x: 'Hello ${ .name'\n", "/do/0/a/set/x"),
        ("set:\n      x: '${'\n", "/do/0/a/set/x"),
        ("set:\n      x: '${ {a: 1, b'\n", "/do/0/a/set/x"),
        ("wait: '${ .a'", "/do/0/a/wait"),
        ("{if: '${ .a', set: {x: 1}}", "/do/0/a/if"),
        ("{call: http, with: {method: get, endpoint: '${ .url'}}", "/do/0/a/with/endpoint"),
        ("{call: acme.a, with: {text: 'https://a.example/${ .id'}}", "/do/0/a/with/text"),
    ],
)
def test_an_expression_without_end_is_refused_with_a_hint(task: str, at: str) -> None:
    body = task if task.startswith("{") else f"\n    {task}"
    assert "single quotes" in mistakes(f"- a: {body}")[at]


@pytest.mark.parametrize("text", ["${HOME}/bin", "costs ${", 'say "${ .a }" to', "$ {", "a } ${b"])
def test_other_texts_with_a_dollar_stay_texts(text: str) -> None:
    compiled(f"- a: {{set: {{x: {text!r}}}}}")


def test_an_expression_of_nothing_is_refused() -> None:
    assert "empty" in mistakes("- a: {set: {x: '${}'}}")["/do/0/a/set/x"]


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("{call: acme.a, metadata: {visapi: {onRetry: again}}}", 'one of "repeat", "remember"'),
        ("{call: acme.a, metadata: {visapi: {onRetry: true}}}", 'one of "repeat", "remember"'),
        ("{set: {x: 1}, metadata: {visapi: {onRetry: repeat}}}", "belongs to a `call` or a `run`"),
        ("{wait: PT1S, metadata: {visapi: {onRetry: remember}}}", "belongs to a `call` or a `run`"),
        (
            "{call: human.approve, with: {title: t}, metadata: {visapi: {onRetry: repeat}}}",
            "a decision of people is always remembered",
        ),
    ],
)
def test_on_retry_is_refused_where_it_is_wrong(task: str, says: str) -> None:
    assert says in mistakes(f"- a: {task}")["/do/0/a/metadata/visapi/onRetry"]


@pytest.mark.parametrize(
    "task",
    [
        "{call: acme.a, metadata: {visapi: {onRetry: repeat}}}",
        "{call: http, with: {method: get, endpoint: 'https://a.example'}, metadata: {visapi: {onRetry: remember}}}",
        "{call: flow.map, with: {items: [], function: acme.a}, metadata: {visapi: {onRetry: repeat}}}",
        "{run: {workflow: {namespace: a, name: b, version: latest}}, metadata: {visapi: {onRetry: repeat}}}",
    ],
)
def test_on_retry_is_taken_where_it_is_right(task: str) -> None:
    compiled(f"- a: {task}")


def test_on_retry_beside_visapi_is_a_warning() -> None:
    made = compiled("- a: {call: pdf.render, with: {html: x}, metadata: {onRetry: repeat}}")
    (warning,) = made.warnings
    assert "metadata.visapi.onRetry" in warning.detail
