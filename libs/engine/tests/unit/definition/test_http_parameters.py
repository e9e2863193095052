"""`query` and `headers` of an HTTP call: lists, and null for what is left out."""

from textwrap import dedent, indent

import pytest

from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_engine.model.program import CallNode, Jq, Literal, Record
from visapi_engine.source.findings import DefinitionInvalid

HEAD = "document: {dsl: '1.0.3', namespace: test, name: sample, version: '1.0.0'}\n"


def compiled(arguments: str) -> Compiled:
    task = f"- get:\n    call: http\n    with:\n{indent(dedent(arguments).strip(), '      ')}\n"
    return compile_definition((HEAD + "do:\n" + indent(task, "  ")).encode(), "application/yaml")


def test_query_takes_lists_and_null_and_headers_take_null() -> None:
    found = compiled("""
        method: get
        endpoint: https://api.example.com/pets
        headers: {accept: application/json, x-none: null}
        query: {tag: [a, 1, '${ .b }'], none: null, all: '${ .tags }'}
    """).program.nodes["/do/0/get"]
    assert isinstance(found, CallNode)
    assert isinstance(found.arguments, Record)
    assert found.arguments.fields["headers"] == Literal({"accept": "application/json", "x-none": None})
    query = found.arguments.fields["query"]
    assert isinstance(query, Record)
    assert query.fields["none"] == Literal(None)
    assert query.fields["all"] == Jq(".tags")


@pytest.mark.parametrize(
    ("query", "pointer", "detail"),
    [
        ("{a: {b: 1}}", "/do/0/get/with/query/a", "a list of them"),
        ("{a: [x, [y]]}", "/do/0/get/with/query/a/1", "found a list"),
        ("{a: [x, null]}", "/do/0/get/with/query/a/1", "(null)"),
    ],
)
def test_what_cannot_be_a_parameter_is_named_with_its_place(query: str, pointer: str, detail: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        compiled(f"method: get\nendpoint: 'https://x/'\nquery: {query}")
    assert detail in {error.pointer: error.detail for error in caught.value.errors}[pointer]
