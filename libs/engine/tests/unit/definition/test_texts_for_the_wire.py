"""Texts of a definition that will become NATS subjects: their length and characters are checked at deployment."""

import pytest

from visapi_engine.definition.compile import DefinitionInvalid, compile_definition

_HEAD = "document: {dsl: '1.0.3', namespace: n, name: x, version: '1.0.0'}\ndo:\n  "


@pytest.mark.parametrize(
    ("tasks", "pointer", "detail"),
    [
        ("- a: {emit: {event: {with: {type: " + "x" * 5_000 + "}}}}", "/do/0/a/emit/event/with/type", "255 characters"),
        ('- a: {emit: {event: {with: {type: "a\\nb"}}}}', "/do/0/a/emit/event/with/type", "control characters"),
        ("- a: {emit: {event: {with: {type: x, id: " + "é" * 600 + "}}}}", "/do/0/a/emit/event/with/id", "1024 bytes"),
        ("- a: {call: acme." + "x" * 500 + "}", "/do/0/a/call", "no function name"),
        ("- a: {call: acme.événement}", "/do/0/a/call", "no function name"),
    ],
)  # fmt: skip
def test_a_text_that_nobody_could_publish_is_named_with_its_place(
    tasks: str, pointer: str, detail: str
) -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        compile_definition((_HEAD + tasks).encode(), "application/yaml")

    assert detail in {error.pointer: error.detail for error in refused.value.errors}.get(pointer, "")
