"""What an author is told: every mistake at once, each with its place and remedy, and warnings."""

from textwrap import dedent, indent

import pytest

from visapi_common.contracts.problems import FieldError
from visapi_engine.compile.compiler import Compiled, DefinitionInvalid, compile_definition

HEAD = "document: {dsl: '1.0.3', namespace: test, name: sample, version: '1.0.0'}\n"


def compiled(tasks: str, rest: str = "") -> Compiled:
    text = HEAD + dedent(rest) + "do:\n" + indent(dedent(tasks).strip("\n"), "  ") + "\n"
    return compile_definition(text.encode(), "application/yaml")


def mistakes(tasks: str, rest: str = "") -> dict[str, str]:
    with pytest.raises(DefinitionInvalid) as caught:
        compiled(tasks, rest)
    return {error.pointer: error.detail for error in caught.value.errors}


def test_tasks_that_nothing_leads_to_are_reported() -> None:
    result = compiled("""
        - a: {set: {x: 1}, then: c}
        - b: {set: {x: 1}}
        - c: {set: {x: 1}, then: end}
        - d: {do: [{e: {raise: {error: {type: 'https://e.example/x', status: 500}}}}, {f: {set: {x: 1}}}]}
    """)
    assert [warning.pointer for warning in result.warnings] == ["/do/3/d/do/1/f", "/do/1/b", "/do/3/d"]


def test_a_skipped_task_leads_to_the_next_one() -> None:
    assert not compiled("""
        - a: {if: .young, raise: {error: {type: 'https://e.example/x', status: 400}}, then: end}
        - b: {set: {x: 1}}
    """).warnings


def test_nothing_follows_a_block_that_always_ends_the_run() -> None:
    result = compiled("""
        - a: {do: [{b: {set: {x: 1}, then: end}}]}
        - c: {set: {x: 1}}
    """)
    assert [warning.pointer for warning in result.warnings] == ["/do/1/c"]
    result = compiled("""
        - a:
            try: [{b: {call: http, with: {method: get, endpoint: 'https://a.example'}, then: end}}]
            catch: {do: [{c: {raise: {error: {type: 'https://e.example/x', status: 500}}}}]}
        - d: {set: {x: 1}}
    """)
    assert [warning.pointer for warning in result.warnings] == ["/do/1/d"]


@pytest.mark.parametrize(
    "block",
    [
        "do: [{b: {if: .x, set: {x: 1}, then: end}}]",
        "do: [{b: {set: {x: 1}, then: exit}}]",
        "do: [{b: {switch: [{one: {when: .x, then: end}}]}}]",
        "{try: [{b: {set: {x: 1}, then: end}}], catch: {}}",
        "{try: [{b: {set: {x: 1}, then: end}}], catch: {do: [{c: {set: {x: 1}}}]}}",
    ],
)
def test_what_follows_a_block_that_may_end_is_reachable(block: str) -> None:
    body = block if block.startswith("{") else f"{{{block}}}"
    assert not compiled(f"- a: {body}\n- z: {{set: {{x: 1}}}}").warnings


def test_an_unknown_function_is_a_warning_with_the_nearest_name() -> None:
    (warning,) = compiled("- c: {call: pdf.rendr}").warnings
    assert warning.pointer == "/do/0/c/call"
    assert 'Did you mean "pdf.render"?' in warning.detail


def test_text_that_looks_like_an_expression_is_a_warning() -> None:
    warnings = compiled("- s: {set: {a: .x, b: 'Hello ${ .name }!', c: $error}}").warnings
    assert [warning.pointer for warning in warnings] == ["/do/0/s/set/a", "/do/0/s/set/b", "/do/0/s/set/c"]


def test_all_mistakes_of_a_document_are_found_at_once() -> None:
    text = """
        document: {dsl: '2.0.0', namespace: 'a b', name: x, version: 1.0, titel: t}
        use: {retries: {r: {dely: PT1S}}, secrets: [s]}
        schedule: {cron: '* * * * *'}
        do:
          - a: {cal: http}
          - b: {set: {x: '${ $foo }', y: '${ .a | }'}, then: nowhere}
          - c: {wait: {secs: 3}, timeout: soon}
          - d: {for: {in: .x}, do: []}
          - e: {call: http, with: {method: gte, endpoint: 'ftp://x', authentication: y}}
          - f: {switch: [{a: {when: .x}}]}
          - g: {try: [{x: {set: {}}}]}
          - h: {set: {x: 1}, do: []}
          - b: {set: {x: 1}}
        typo: 1
    """
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition(dedent(text).encode(), "application/yaml")
    assert {error.pointer for error in caught.value.errors} == {
        "/document/dsl",
        "/document/namespace",
        "/document/version",
        "/document/titel",
        "/use/retries/r/dely",
        "/typo",
        "/do/0/a",
        "/do/1/b/set/x",
        "/do/1/b/set/y",
        "/do/1/b/then",
        "/do/2/c/wait/secs",
        "/do/2/c/timeout",
        "/do/3/d/do",
        "/do/4/e/with/method",
        "/do/4/e/with/endpoint",
        "/do/4/e/with/authentication",
        "/do/5/f/switch/0/a",
        "/do/6/g",
        "/do/6/g/try/0/x/set",
        "/do/7/h",
        "/do/8/b",
    }
    assert caught.value.detail.startswith("The definition has 2")
    assert (caught.value.code, caught.value.status) == ("definition_invalid", 422)


@pytest.mark.parametrize(
    ("tasks", "pointer", "detail"),
    [
        ("- a: {set: {x: 1}, thn: end}", "/do/0/a/thn", 'Did you mean "then"?'),
        ("- a: {set: {x: 1}, then: ed}", "/do/0/a/then", 'Did you mean "end"?'),
        ("- a: {stt: {x: 1}}", "/do/0/a", 'Did you mean "set"?'),
        ("- a: {call: getPet}", "/do/0/a/call", "in use.functions"),
        ("- a: {call: htpp}", "/do/0/a/call", 'Did you mean "http"?'),
        ("- a: {call: grpc, with: {}}", "/do/0/a/call", "not in this release: gRPC"),
        ("- a: {call: 'log:1.0.0@global'}", "/do/0/a/call", 'not in this release: the catalog "global"'),
        ("- a: {call: 'acme.x:one'}", "/do/0/a/call", "semantic version"),
        ("- a: {call: 'pdf.render:9.0.0', with: {html: x}}", "/do/0/a/call", "exists in version 1.0.0"),
        ("- a: {call: pdf.render, with: {htlm: x}}", "/do/0/a/with/htlm", 'Did you mean "html"?'),
        ("- a: {call: pdf.render, with: {html: x, url: y}}", "/do/0/a/with", "exactly one of"),
        ("- a: {call: pdf.render}", "/do/0/a/with", "found none"),
        ("- a: {call: pdf.render, with: {html: 3}}", "/do/0/a/with/html", "must be a text"),
        ("- a: {call: notify.email, with: {to: 3, template: {html: x}}}", "/do/0/a/with/to", "must be a text or a list"),
        ("- a: {call: notify.email, with: {subject: s, text: t}}", "/do/0/a/with", '"to" is missing'),
        ("- a: {call: notify.email, with: {to: t, subject: s}}", "/do/0/a/with", 'needs one of "text"'),
        ("- a: {call: notify.slack, with: {text: t}}", "/do/0/a/with", "exactly one of"),
        ("- a: {call: notify.webhook, with: {payload: 1}}", "/do/0/a/with", '"url" is missing'),
        ("- a: {call: http}", "/do/0/a", '"with" is missing'),
        ("- a: {call: http, with: {endpoint: 'https://x'}}", "/do/0/a/with", '"method" is missing'),
        ("- a: {call: http, with: {method: get, endpoint: 'https://x/{+p}'}}", "/do/0/a/with/endpoint", "RFC 6570"),
        ("- a: {call: http, with: {method: get, endpoint: /pets}}", "/do/0/a/with/endpoint", "absolute URI"),
        ("- a: {call: http, with: {method: get, endpoint: 'https://x/', headers: {a: 1}}}", "/do/0/a/with/headers/a", "must be text"),
        (
            "- a: {call: http, with: {method: get, endpoint: {uri: 'https://x/', authentication: {certificate: {certificate: c}}}}}",
            "/do/0/a/with/endpoint/authentication/certificate",
            '"key" is missing',
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: {uri: 'https://x/', authentication: {use: y}}}}",
            "/do/0/a/with/endpoint/authentication/use",
            "in use.authentications",
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: {uri: 'https://x/', authentication: {bsic: {}}}}}",
            "/do/0/a/with/endpoint/authentication/bsic",
            'Did you mean "basic"?',
        ),
        (
            "- a: {call: http, with: {method: get, endpoint: {uri: 'https://x/', authentication: {oauth2: {authority: 'https://y', grant: authorization_code}}}}}",
            "/do/0/a/with/endpoint/authentication/oauth2/grant",
            "nobody is there to log in",
        ),
        ("- a: {call: openapi, with: {document: {endpoint: 'https://x/y'}}}", "/do/0/a/with", '"operationId" is missing'),
        ("- a: {set: {x: '${ env }'}}", "/do/0/a/set/x", "environment"),
        ("- a: {set: {x: '${ $secrets.x }'}}", "/do/0/a/set/x", 'no secret called "x" in use.secrets'),
        ("- a: {if: $secrets.x, set: {x: 1}}", "/do/0/a/if", "`$secrets` is not available here"),
        ("- a: {set: {x: '${ $secrets }'}}", "/do/0/a/set/x", "name the secret"),
        ("- a: {set: {x: '${ $contxt }'}}", "/do/0/a/set/x", 'Did you mean "context"?'),
        ("- a: {set: {x: '${ $output }'}}", "/do/0/a/set/x", "`$output` is not available here"),
        ("- a: {if: $input.x, set: {x: 1}}", "/do/0/a/if", "`$input` is not available here"),
        ("- a: {set: {x: '${ .a } and ${ .b }'}}", "/do/0/a/set/x", "closes nothing"),
        ("- a: {set: {x: '${ [.[] | nope] }'}}", "/do/0/a/set/x", "nope/0 is not defined"),
        ("- a: {set: {x: 1}, input: {schema: {document: {type: strng}}}}", "/do/0/a/input/schema/document/type", "JSON Schema"),
        ("- a: {set: {x: 1}, input: {schema: {document: {$ref: 'https://x/y'}}}}", "/do/0/a/input/schema/document", "outside the definition"),
        ("- a: {set: {x: 1}, input: {schema: {resource: {endpoint: 'https://x'}}}}", "/do/0/a/input/schema/resource", "not in this release"),
        ("- a: {set: {x: 1}, input: {schema: {format: avro, document: {}}}}", "/do/0/a/input/schema/format", '"json"'),
        ("- a: {wait: P1Y}", "/do/0/a/wait", "no fixed length"),
        ("- a: {wait: 5}", "/do/0/a/wait", "such as {seconds: 30}"),
        ("- a: {wait: {seconds: -1}}", "/do/0/a/wait/seconds", "from 0"),
        ("- a: {wait: {days: 99999999}}", "/do/0/a/wait/days", "36525"),
        ("- a: {switch: [{x: {then: end}}, {y: {then: end}}]}", "/do/0/a/switch/1/y", "only one case"),
        ("- a: {switch: []}", "/do/0/a/switch", "at least one case"),
        ("- a: {fork: {branches: [{x: {set: {x: 1}, then: y}}, {y: {set: {x: 1}}}]}}", "/do/0/a/fork/branches/0/x/then", "cannot jump"),
        ("- a: {fork: {branches: {x: 1}}}", "/do/0/a/fork/branches", "must be a list"),
        ("- a: {do: [{b: {set: {x: 1}, then: c}}]}\n- c: {set: {x: 1}}", "/do/0/a/do/0/b/then", "cannot leave it"),
        ("- a: {raise: {error: {type: 'https://e/x'}}}", "/do/0/a/raise/error", '"status" is missing'),
        ("- a: {raise: {error: nope}}", "/do/0/a/raise/error", "in use.errors"),
        ("- a: {try: [{b: {set: {x: 1}}}], catch: {retry: nope}}", "/do/0/a/catch/retry", "in use.retries"),
        ("- a: {try: [{b: {set: {x: 1}}}], catch: {as: context}}", "/do/0/a/catch/as", "already has a meaning"),
        ("- a: {try: [{b: {set: {x: 1}}}], catch: {as: a-b}}", "/do/0/a/catch/as", "cannot name a variable"),
        ("- a: {try: [{b: {set: {x: 1}}}], catch: {errors: {with: {}}}}", "/do/0/a/catch/errors/with", "needs one of"),
        ("- a: {try: [{b: {set: {x: 1}}}], catch: {errors: {with: {title: '${ .x }'}}}}", "/do/0/a/catch/errors/with/title", "catch.when"),
        ("- a: {try: [{b: {set: {x: 1}}}], catch: {retry: {backoff: {constant: {}, linear: {}}}}}", "/do/0/a/catch/retry/backoff", "exactly one"),
        ("- a: {try: [{b: {set: {x: '${ $error }'}}}], catch: {}}", "/do/0/a/try/0/b/set/x", "unknown variable `$error`"),
        ("- a: {set: {x: 1}, metadata: {visapi: {onUncertain: maybe}}}", "/do/0/a/metadata/visapi/onUncertain", '"hold", "retry"'),
        ("- a: {set: {x: 1}, metadata: {visapi: {onUncertan: hold}}}", "/do/0/a/metadata/visapi/onUncertan", 'Did you mean "onUncertain"?'),
        ("- end: {set: {x: 1}}", "/do/0/end", "flow directive"),
        ("- {a: {set: {x: 1}}, b: {set: {x: 1}}}", "/do/0", "one name"),
        ("- a: 1", "/do/0/a", "must be an object"),
        ("- a: {emit: {event: {with: {source: x}}}}", "/do/0/a/emit/event/with", '"type" is missing'),
        ("- a: {emit: {event: {with: {type: x, orderId: y}}}}", "/do/0/a/emit/event/with/orderId", "lower-case"),
        ("- a: {emit: {event: {wth: {type: x}}}}", "/do/0/a/emit/event/wth", 'Did you mean "with"?'),
        ("- a: {listen: {to: {}}}", "/do/0/a/listen/to", "exactly one of"),
        ("- a: {listen: {to: {all: []}}}", "/do/0/a/listen/to/all", "wait for ever"),
        ("- a: {listen: {to: {one: {with: {}}}}}", "/do/0/a/listen/to/one/with", "at least one attribute"),
        ("- a: {listen: {to: {one: {with: {type: x}}, until: '${ true }'}}}", "/do/0/a/listen/to/until", "no meaning with `one`"),
        ("- a: {listen: {to: {any: [{with: {type: x}}]}, read: dta}}", "/do/0/a/listen/read", 'Did you mean "data"?'),
        ("- a: {listen: {to: {any: []}}, foreach: {do: []}}", "/do/0/a/foreach/do", "empty"),
        ("- a: {listen: {to: {one: {with: {type: x}, correlate: {k: {expect: 1}}}}}}", "/do/0/a/listen/to/one/correlate/k", '"from" is missing'),
        ("- a: {run: {workflow: {}}}", "/do/0/a/run/workflow", '"name" is missing'),
        ("- a: {run: {workflow: {namespace: a, name: b, version: newest}}}", "/do/0/a/run/workflow/version", '"latest"'),
        ("- a: {run: {workflow: {namespace: a, name: b}, return: stderr}}", "/do/0/a/run/return", '"stdout", "none"'),
        ("- a: {run: {shell: {command: ls}}}", "/do/0/a/run/shell", "not in this release: shell commands"),
        ("- a: {run: {await: true}}", "/do/0/a/run", "needs one of"),
        ("- a: {for: {in: 3}, do: [{b: {set: {x: 1}}}]}", "/do/0/a/for/in", "gives a list"),
        ("- a: {for: {in: .x}}", "/do/0/a", '"do" is missing'),
        ("- a: {for: {in: .x, each: index}, do: [{b: {set: {x: 1}}}]}", "/do/0/a/for", "name them apart"),
        ("- a: {for: {in: .x, each: input}, do: [{b: {set: {x: 1}}}]}", "/do/0/a/for/each", "already has a meaning"),
        ("- a: {for: {in: '${ $item }'}, do: [{b: {set: {x: 1}}}]}", "/do/0/a/for/in", "unknown variable `$item`"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_its_remedy(tasks: str, pointer: str, detail: str) -> None:
    assert detail in mistakes(tasks).get(pointer, "")


def test_functions_that_call_themselves_are_refused() -> None:
    use = "use: {functions: {first: {call: second}, second: {do: [{x: {call: first}}]}}}\n"
    found = mistakes("- a: {call: first}", use)
    assert (
        "must not call themselves: first calls second calls first"
        in found["/use/functions/second/do/0/x/call"]
    )


def test_functions_that_double_each_other_stay_bounded() -> None:
    doubled = ", ".join(
        f"f{n}: {{do: [{{a: {{call: f{n + 1}}}}}, {{b: {{call: f{n + 1}}}}}]}}" for n in range(20)
    )
    found = mistakes("- a: {call: f0}", f"use: {{functions: {{{doubled}, f20: {{set: {{x: 1}}}}}}}}\n")
    assert "too large" in found[""]


def test_a_mistake_in_a_reusable_part_is_reported_once_where_it_is_written() -> None:
    use = "use: {functions: {f: {set: {x: '${ $nope }'}}}}\n"
    with pytest.raises(DefinitionInvalid) as caught:
        compiled("- a: {call: f}\n- b: {call: f}", use)
    assert [error.pointer for error in caught.value.errors] == ["/use/functions/f/set/x"]


def test_a_misspelt_standard_error_type_is_a_warning() -> None:
    base = "https://open-workflow-specification.org/spec/1.0.0/errors/"
    (warning,) = compiled(
        f"- a: {{try: [{{b: {{set: {{x: 1}}}}}}], catch: {{errors: {{with: {{type: '{base}comunication'}}}}}}}}"
    ).warnings
    assert 'Did you mean "communication"?' in warning.detail


def test_a_document_that_is_no_object_is_refused() -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition(b"[]", "application/json")
    assert caught.value.errors == [FieldError("", "the document must be an object, found a list", 1, 1)]


def test_a_mistake_has_its_line_and_column_and_so_has_a_warning() -> None:
    text = (
        HEAD
        + "do:\n  - a: {call: pdf.rendr, with: {html: x}}\n  - b:\n      set: {x: 1}\n      then: nowhere\n"
    )
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition(text.encode(), "application/yaml")
    (mistake,) = caught.value.errors
    assert (mistake.pointer, mistake.line, mistake.column) == ("/do/1/b/then", 6, 7)
    assert "/do/1/b/then (line 6, column 7): no task called" in str(caught.value)
    (warning,) = compile_definition(text.replace("nowhere", "end").encode(), "application/yaml").warnings
    assert (warning.pointer, warning.line, warning.column) == ("/do/0/a/call", 3, 9)


def test_a_mistake_in_json_has_its_line_and_column() -> None:
    text = '{"document": {"dsl": "1.0.3",\n "namespace": "n", "name": "n", "version": "1"},\n "do": [{"a": {"set": 1}}]}'
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition(text.encode(), "application/json")
    found = {error.pointer: (error.line, error.column) for error in caught.value.errors}
    assert found == {"/document/version": (2, 33), "/do/0/a/set": (3, 16)}


def test_a_mistake_behind_an_alias_stands_where_the_alias_does() -> None:
    text = "document: {dsl: '1.0.3', namespace: n, name: n, version: '1.0.0', metadata: {m: &m {st: 1}}}\ndo:\n  - a: *m\n"
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition(text.encode(), "application/yaml")
    (mistake,) = caught.value.errors
    assert (mistake.pointer, mistake.line, mistake.column) == ("/do/0/a", 3, 5)


def test_many_mistakes_are_counted_not_listed() -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        compiled("\n".join(f"- t{n}: {{x: 1}}" for n in range(300)))
    assert caught.value.errors[-1].detail == "200 more mistakes are not listed"


def test_a_definition_cannot_hold_more_expressions_than_libjq_compiles_in_seconds() -> None:
    heavy = '"' + "\\(1)" * 400 + '"'
    found = mistakes("\n".join(f"- t{n}: {{set: {{x: '${{ {heavy} }}'}}}}" for n in range(60)))
    assert "20000 tokens" in found[""]


@pytest.mark.parametrize(
    ("rest", "pointer", "detail"),
    [
        ("schedule: {cron: '61 * * * *'}", "/schedule/cron", "not a cron expression"),
        ("schedule: {cron: '* * * *'}", "/schedule/cron", "has 5 fields"),
        ("schedule: {evry: {hours: 1}}", "/schedule/evry", 'Did you mean "every"?'),
        ("schedule: {every: {milliseconds: 10}}", "/schedule/every", "at least one second"),
        ("schedule: {every: {hours: 1}, after: {hours: 1}}", "/schedule", "exactly one of"),
        ("schedule: {on: {any: []}, cron: '@daily'}", "/schedule", "exactly one of"),
        ("schedule: {on: {one: {with: {}}}}", "/schedule/on/one/with", "at least one attribute"),
    ],
)
def test_a_mistake_in_a_schedule_is_named_with_its_place(rest: str, pointer: str, detail: str) -> None:
    found = mistakes("- a: {set: {x: 1}}", f"{rest}\n")
    assert detail in found[pointer]


def test_settings_of_a_schedule_are_checked_with_it() -> None:
    text = """
        document:
          dsl: 1.0.3
          namespace: n
          name: n
          version: 1.0.0
          metadata: {visapi: {schedule: {timezone: Mars/Base, overlap: skp, catchUp: {policy: some}, jiter: PT1S}}}
        schedule: {cron: '@daily'}
        do: [{a: {set: {x: 1}}}]
    """
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition(dedent(text).encode(), "application/yaml")
    at = "/document/metadata/visapi/schedule"
    assert {error.pointer for error in caught.value.errors} == {
        f"{at}/timezone", f"{at}/overlap", f"{at}/catchUp/policy", f"{at}/jiter",
    }  # fmt: skip
