"""The place of a mistake, whatever the document: there its key or its value is written."""

import json
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.contracts.problems import FieldError
from visapi_engine.source.pointers import join
from visapi_engine.source.positions import located

_KEYS = st.text('abc/~"\\é漢 :#\n', min_size=1, max_size=6)
_VALUES = st.recursive(
    st.one_of(st.integers(0, 99), st.booleans(), st.none(), st.text('ab{}[],:"\\ñ \n', max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)


def places(value: Any, at: str = "", key: str | None = None) -> Iterator[tuple[str, str | None, Any]]:
    """Every pointer of a value, with its key (None for an item of a list)."""
    yield at, key, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, join(at, str(name)), str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, join(at, index))


def there(text: str, pointer: str, *, is_json: bool) -> str:
    """The text from a pointer's place on."""
    (found,) = located([FieldError(pointer, "wrong")], text, is_json=is_json)
    assert found.line is not None
    assert found.column is not None
    lines = text.split("\n")
    return "\n".join([lines[found.line - 1][found.column - 1 :], *lines[found.line :]])


@given(value=_VALUES, indent=st.sampled_from([None, 0, 2, "\t"]), ascii_only=st.booleans())
def test_a_mistake_in_json_stands_where_its_key_or_its_value_does(
    value: Any, indent: int | str | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    for pointer, key, inner in places(value):
        written = json.dumps(inner if key is None else key, ensure_ascii=ascii_only)
        begins = written[0] if key is None and isinstance(inner, dict | list) else written
        assert there(text, pointer, is_json=True).startswith(begins)


@given(value=_VALUES, flow=st.sampled_from([None, True, False]))
def test_a_mistake_in_yaml_stands_where_its_key_or_its_value_does(value: Any, flow: bool | None) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    for pointer, mark in composed(yaml.compose(text, Loader=yaml.SafeLoader)):
        (found,) = located([FieldError(pointer, "wrong")], text, is_json=False)
        assert (found.line, found.column) == (mark.line + 1, mark.column + 1)


def composed(node: Any, at: str = "", mark: Any = None) -> Iterator[tuple[str, Any]]:
    """Every pointer of a YAML tree, with the mark that the tree keeps."""
    yield at, mark or node.start_mark
    if isinstance(node, yaml.MappingNode):
        for key, inner in node.value:
            yield from composed(inner, join(at, key.value), key.start_mark)
    elif isinstance(node, yaml.SequenceNode):
        for index, inner in enumerate(node.value):
            yield from composed(inner, join(at, index))
