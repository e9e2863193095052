"""Texts of a definition that will become NATS subjects: their length and characters are checked at deployment."""

import msgspec
import pytest

from visapi_engine.compile.compiler import DefinitionInvalid, compile_definition

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


def _named(name: str, depth: int = 1) -> str:
    body: object = {"set": {"x": 1}}
    for _ in range(depth - 1):
        body = {"do": [{name: body}]}
    head = "document: {dsl: '1.0.3', namespace: test, name: long-names, version: '1.0.0'}\n"
    return f"{head}do: {msgspec.json.encode([{name: body}]).decode()}\n"


def test_names_and_pointers_of_tasks_are_bounded_because_every_item_of_history_repeats_them() -> None:
    compile_definition(_named("n" * 256).encode(), "application/yaml")
    for text, told in (
        (_named("n" * 257), "the task's name has 257 bytes"),
        (_named("ä" * 129), "258 bytes"),
    ):
        with pytest.raises(DefinitionInvalid) as refused:
            compile_definition(text.encode(), "application/yaml")
        assert told in refused.value.errors[0].detail
    compile_definition(_named("n" * 200, depth=9).encode(), "application/yaml")
    with pytest.raises(DefinitionInvalid) as refused:
        compile_definition(_named("n" * 200, depth=12).encode(), "application/yaml")
    assert "at most 2048" in refused.value.errors[0].detail
