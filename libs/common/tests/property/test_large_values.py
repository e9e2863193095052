"""What is taken out of a document and put back is the document, whatever stands in it."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.contracts.payloads import Payload
from visapi_common.core import large_values as lv

LIMIT = 64
STRUCTURE: lv.Structure = {"frames": {"*": {"queue": {}, "closing": None}}, "agenda": {"*": {}}}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(texts, inner, max_size=12),
    max_leaves=80,
)
names = st.sampled_from(["frames", "agenda", "context", "large", "of"]) | texts
frames = st.dictionaries(texts, st.dictionaries(st.sampled_from(["queue", "closing", "raw"]), values))
documents = st.fixed_dictionaries(
    {"run": texts},
    optional={"frames": frames, "agenda": st.lists(st.lists(values, max_size=4)), "context": values},
) | st.dictionaries(names, values)


def structural(small: bytes, document: bytes) -> bool:
    """Whether what is left has the structure of the whole."""
    left, whole = json.loads(small), json.loads(document)
    return list(left) == list(whole) and list(left.get("frames", {})) == list(whole.get("frames", {}))


@given(documents)
def test_a_document_comes_back_byte_for_byte(document: Any):
    text = msgspec.json.encode(document)
    small, taken = lv.split(text, LIMIT, STRUCTURE)
    assert lv.join(small, taken) == text
    assert all(len(value) > LIMIT for _, _, value in taken)


@given(st.dictionaries(texts, values).map(lambda found: {"frames": {"": found}, "context": found}))
def test_the_structure_stays_in_its_row(document: Any):
    text = msgspec.json.encode(document)
    small, _ = lv.split(text, LIMIT, STRUCTURE)
    assert structural(small, text)


@given(documents, st.integers(0, 3), st.booleans())
def test_foreign_spelling_keeps_its_meaning_and_the_text_of_its_numbers(
    document: Any, indent: int, escaped: bool
):
    text = json.dumps(
        {"context": document, "n": [1.10, 1e400 if escaped else 2]}, indent=indent, ensure_ascii=escaped
    )
    text = text.replace("Infinity", "1E400").replace("1.1", "1.10")
    small, taken = lv.split(text.encode(), LIMIT, {})
    joined = lv.join(small, taken).decode()
    assert json.loads(joined, parse_float=str, parse_int=str) == json.loads(
        text, parse_float=str, parse_int=str
    )


@given(documents)
def test_an_envelope_says_where_everything_lies_and_a_document_is_never_taken_for_one(document: Any):
    text = msgspec.json.encode({"run": "1", "context": document})
    small, taken = lv.split(text, LIMIT, {})
    refs = {one.value: Payload(ref=f"r{n}", size=len(one.value), sha256="") for n, one in enumerate(taken)}
    at = {payload.ref: value for value, payload in refs.items()}
    assert lv.opened(text) is None
    envelope = lv.opened(lv.sealed(small, taken, refs))
    if not taken:
        assert envelope is None or not envelope.large
        return
    assert envelope is not None
    found = [lv.Extracted(large.at, large.n, at[large.ref]) for large in envelope.large]
    assert lv.join(bytes(envelope.of), found) == text


@given(st.lists(values.filter(lambda value: value is not None), max_size=200))
def test_what_grows_at_its_end_keeps_its_pieces(grown: list[Any]):
    stored: set[bytes] = set()
    size = 0
    for n in range(len(grown) + 1):
        text = msgspec.json.encode({"done": grown[:n]})
        _, taken = lv.split(text, LIMIT, {"pad": {}})
        size = len(text)
        stored.update(value for _, _, value in taken)
    assert sum(map(len, stored)) <= 40 * size + 1000
