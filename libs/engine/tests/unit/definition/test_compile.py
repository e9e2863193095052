"""What each construct compiles to."""

from textwrap import dedent, indent
from typing import Any

import pytest

from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_engine.model.program import (
    Backoff,
    CallNode,
    Case,
    Common,
    DoNode,
    Duration,
    ErrorFilter,
    Flow,
    ForkNode,
    Jq,
    Literal,
    RaiseNode,
    Record,
    SetNode,
    SwitchNode,
    TryNode,
    Validated,
    WaitNode,
    decode_program,
)

HEAD = "document: {dsl: '1.0.3', namespace: test, name: sample, version: '1.0.0'}\n"


def compiled(tasks: str, rest: str = "") -> Compiled:
    text = HEAD + dedent(rest) + "do:\n" + indent(dedent(tasks).strip("\n"), "  ") + "\n"
    return compile_definition(text.encode(), "application/yaml")


def node(tasks: str, pointer: str, rest: str = "") -> Any:
    return compiled(tasks, rest).program.nodes[pointer]


def test_pointers_follow_the_specification() -> None:
    program = compiled("""
        - outer:
            do:
              - inner: {set: {x: 1}}
        - f:
            fork:
              branches:
                - a: {wait: PT1S}
                - b: {do: [{deep: {set: {x: 1}}}]}
        - t:
            try:
              - risky: {call: acme.risky}
            catch:
              do:
                - mend: {set: {x: 1}}
        - "a/b~c": {set: {x: 1}}
    """).program
    assert program.children == ["/do/0/outer", "/do/1/f", "/do/2/t", "/do/3/a~1b~0c"]
    assert set(program.nodes) == {
        "/do/0/outer",
        "/do/0/outer/do/0/inner",
        "/do/1/f",
        "/do/1/f/fork/branches/0/a",
        "/do/1/f/fork/branches/1/b",
        "/do/1/f/fork/branches/1/b/do/0/deep",
        "/do/2/t",
        "/do/2/t/try/0/risky",
        "/do/2/t/catch/do/0/mend",
        "/do/3/a~1b~0c",
    }
    assert {n.pointer: n.parent for n in program.nodes.values()}["/do/2/t/catch/do/0/mend"] == "/do/2/t"
    assert program.nodes["/do/0/outer"].parent is None


def test_set_keeps_constants_and_finds_expressions() -> None:
    found = node("- s: {set: {a: 1, b: '${ .x }', c: [1, '${ .y }'], d: {e: text}}}", "/do/0/s")
    assert isinstance(found, SetNode)
    assert isinstance(found.value, Record)
    assert found.value.fields["b"] == Jq(".x")
    assert found.value.fields["d"] == Literal({"e": "text"})
    assert node("- s: {set: '${ $workflow.input }'}", "/do/0/s").value == Jq("$workflow.input")
    assert node("- s: {set: {a: 1}}", "/do/0/s").value == Literal({"a": 1})


def test_a_call_names_function_version_and_arguments() -> None:
    found = node("- c: {call: 'acme.score:1.2.0@default', with: {x: '${ .x }'}}", "/do/0/c")
    assert isinstance(found, CallNode)
    assert (found.function, found.function_version, found.on_uncertain) == ("acme.score", "1.2.0", "hold")
    assert found.arguments == Record({"x": Jq(".x")})


@pytest.mark.parametrize("metadata", ["{onUncertain: retry}", "{visapi: {onUncertain: retry}}"])
def test_a_call_may_say_what_becomes_of_an_unknown_outcome(metadata: str) -> None:
    assert (
        node(f"- c: {{call: pdf.render, with: {{html: x}}, metadata: {metadata}}}", "/do/0/c").on_uncertain
        == "retry"
    )


def test_an_http_call_is_the_function_http_request() -> None:
    found = node(
        """
        - get:
            call: http
            with:
              method: GET
              endpoint: {uri: 'https://api.example.com/pets'}
              headers: {accept: application/json}
              query: {page: 2, q: '${ .q }'}
              body: {a: '${ .a }'}
              output: response
              redirect: true
        """,
        "/do/0/get",
    )
    assert found.function == "http.request"
    assert found.arguments == Record(
        {
            "method": Literal("get"),
            "endpoint": Literal("https://api.example.com/pets"),
            "headers": Literal({"accept": "application/json"}),
            "query": Record({"page": Literal(2), "q": Jq(".q")}),
            "body": Record({"a": Jq(".a")}),
            "output": Literal("response"),
            "redirect": Literal(True),
        }
    )


def test_a_reusable_function_is_expanded_where_it_is_called() -> None:
    program = compiled(
        "- get: {call: getPet, with: {petId: 69}, then: end}\n- other: {call: getPet}",
        """
        use:
          functions:
            getPet:
              input: {schema: {document: {type: object, required: [petId]}}}
              call: http
              with: {method: get, endpoint: 'https://pets.example/{petId}'}
        """,
    ).program
    outer = program.nodes["/do/0/get"]
    assert isinstance(outer, DoNode)
    assert outer.children == ["/do/0/get/with", "/do/0/get/call"]
    assert outer.common.then == Flow(directive="end")
    assert program.nodes["/do/0/get/with"] == SetNode(
        pointer="/do/0/get/with",
        name="with",
        parent="/do/0/get",
        common=Common(),
        value=Literal({"petId": 69}),
    )
    inner = program.nodes["/do/0/get/call"]
    assert isinstance(inner, CallNode)
    assert inner.name == "getPet"
    assert inner.common.input_schema is not None
    assert inner.common.input_schema.pointer == "/use/functions/getPet/input/schema/document"
    assert program.nodes["/do/1/other"].children == ["/do/1/other/call"]  # type: ignore[union-attr]


def test_switch_resolves_its_cases_to_siblings() -> None:
    found = node(
        """
        - choose:
            switch:
              - big: {when: .n > 10, then: last}
              - small: {when: '${ .n < 3 }', then: exit}
              - default: {then: continue}
        - middle: {set: {x: 1}}
        - last: {set: {x: 2}}
        """,
        "/do/0/choose",
    )
    assert isinstance(found, SwitchNode)
    assert found.cases == [
        Case("big", Flow(goto="/do/2/last"), Jq(".n > 10")),
        Case("small", Flow(directive="exit"), Jq(".n < 3")),
        Case("default", Flow()),
    ]


def test_fork_has_branches_and_may_compete() -> None:
    found = node(
        "- f: {fork: {compete: true, branches: [{a: {set: {x: 1}}}, {b: {set: {x: 2}}}]}}", "/do/0/f"
    )
    assert isinstance(found, ForkNode)
    assert found.compete
    assert found.branches == ["/do/0/f/fork/branches/0/a", "/do/0/f/fork/branches/1/b"]


def test_try_has_filter_conditions_retry_and_handlers() -> None:
    found = node(
        """
        - t:
            try: [{x: {call: acme.x}}]
            catch:
              errors: {with: {type: 'https://serverlessworkflow.io/spec/1.0.0/errors/communication', status: 503}}
              as: failure
              when: $failure.status == 503
              exceptWhen: $failure.title == "no"
              retry:
                delay: {seconds: 3}
                backoff: {exponential: {factor: 3, maxDelay: PT1M}}
                limit: {attempt: {count: 5, duration: PT10S}, duration: {minutes: 2}}
                jitter: {from: {seconds: 0}, to: {milliseconds: 500}}
              do: [{note: {set: {e: '${ $failure.title }'}}}]
              then: after
        - skipped: {set: {x: 1}}
        - after: {set: {x: 1}}
        """,
        "/do/0/t",
    )
    assert isinstance(found, TryNode)
    assert found.errors == ErrorFilter(
        type="https://serverlessworkflow.io/spec/1.0.0/errors/communication", status=503
    )
    assert (found.error_as, found.when, found.except_when) == (
        "failure",
        Jq("$failure.status == 503"),
        Jq('$failure.title == "no"'),
    )
    assert found.catch_then == Flow(goto="/do/2/after")
    assert found.retry is not None
    assert found.retry.backoff == Backoff(kind="exponential", factor=3.0, max_delay_ms=60_000)
    assert (found.retry.delay, found.retry.attempts) == (Duration(ms=3000), 5)
    assert (found.retry.attempt_duration, found.retry.total_duration) == (
        Duration(ms=10_000),
        Duration(ms=120_000),
    )
    assert (found.retry.jitter_from, found.retry.jitter_to) == (Duration(ms=0), Duration(ms=500))


def test_retries_errors_and_timeouts_may_be_named() -> None:
    use = """
        use:
          retries: {gently: {delay: PT2S, limit: {attempt: {count: 2}}}}
          errors: {gone: {type: 'https://example.com/gone', status: 410, title: '${ .what }'}}
          timeouts: {soon: {after: PT5S}}
        timeout: soon
    """
    tasks = """
        - t: {try: [{r: {raise: {error: gone}}}], catch: {retry: gently}, timeout: soon}
    """
    program = compiled(tasks, use).program
    retry = program.nodes["/do/0/t"].retry  # type: ignore[union-attr]
    assert retry is not None
    assert (retry.delay, retry.attempts) == (Duration(ms=2000), 2)
    raised = program.nodes["/do/0/t/try/0/r"]
    assert isinstance(raised, RaiseNode)
    assert raised.error == Record(
        {"type": Literal("https://example.com/gone"), "status": Literal(410), "title": Jq(".what")}
    )
    assert program.timeout == program.nodes["/do/0/t"].common.timeout == Duration(ms=5000)


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("PT30S", 30_000),
        ("P1DT2H3M4.5S", 93_784_500),
        ("P2W", 1_209_600_000),
        ("{hours: 1, milliseconds: 5}", 3_600_005),
    ],
)
def test_wait_takes_durations_of_both_forms(written: str, ms: int) -> None:
    found = node(f"- w: {{wait: {written}}}", "/do/0/w")
    assert isinstance(found, WaitNode)
    assert found.duration == Duration(ms=ms)


def test_wait_takes_an_expression() -> None:
    assert node("- w: {wait: '${ .pause }'}", "/do/0/w").duration == Duration(expression=Jq(".pause"))


def test_what_every_task_may_carry() -> None:
    common = node(
        """
        - s:
            if: .on
            input: {from: .inner, schema: {format: json, document: {type: object}}}
            set: {x: '${ $input.x }'}
            output: {as: .x, schema: {document: {type: number}}}
            export: {as: '$context + {x: $output}'}
            timeout: {after: {seconds: 9}}
            then: exit
            metadata: {owner: ada}
        """,
        "/do/0/s",
    ).common
    assert common == Common(
        when=Jq(".on"),
        input_schema=Validated(schema={"type": "object"}, pointer="/do/0/s/input/schema/document"),
        input_from=Jq(".inner"),
        output_as=Jq(".x"),
        output_schema=Validated(schema={"type": "number"}, pointer="/do/0/s/output/schema/document"),
        export_as=Jq("$context + {x: $output}"),
        timeout=Duration(ms=9000),
        then=Flow(directive="exit"),
        metadata={"owner": "ada"},
    )


def test_the_workflow_itself_transforms_and_validates() -> None:
    program = compiled(
        "- s: {set: {x: 1}}",
        """
        input: {schema: {document: {type: object}}, from: .order}
        output: {as: {n: '${ .x }'}}
        """,
    ).program
    assert program.input_schema == Validated(schema={"type": "object"}, pointer="/input/schema/document")
    assert program.input_from == Jq(".order")
    assert program.output_as == Record({"n": Jq(".x")})


def test_a_program_survives_its_encoding_and_hashes_alike() -> None:
    first, second = (compiled("- s: {set: {b: '${ .x }', a: 1}}") for _ in range(2))
    assert decode_program(first.body) == first.program
    assert first.hash == second.hash
    assert first.source_hash != first.hash


def test_loose_mode_tries_every_text() -> None:
    rest = "evaluate: {mode: loose}\n"
    value = node("- s: {set: {a: .x, b: Hello there, c: '${ .y }', d: $unknown}}", "/do/0/s", rest).value
    assert value.fields == {
        "a": Jq(".x", otherwise=".x"),
        "b": Literal("Hello there"),
        "c": Jq(".y", otherwise="${ .y }"),
        "d": Literal("$unknown"),
    }
