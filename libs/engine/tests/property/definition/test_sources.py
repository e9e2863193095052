"""A JSON document is read alike as JSON and as YAML, escapes included."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from visapi_engine.source.reading import read_source

texts = st.text(st.characters(exclude_characters="\0\x7f", exclude_categories=["Cs"]), max_size=20)
"""Without what no definition may contain, and what JSON leaves unescaped and YAML does not print."""
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(documents)
def test_json_is_yaml(document: Any) -> None:
    escaped = json.dumps({"it": document}).encode()
    assert read_source(escaped, "application/yaml") == read_source(escaped, "application/json")
