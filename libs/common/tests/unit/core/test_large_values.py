"""Large values of stored documents: what is taken out, what stays, and what is refused."""

import json
from typing import Any

import msgspec
import pytest

from visapi_common.contracts.payloads import INLINE_LIMIT, PAYLOAD_LIMIT
from visapi_common.core import large_values as lv

BIG = "x" * (1024 * 1024)
ROW = {"id": 1, "name": "somebody", "tags": ["a", "b"]}


def cut(document: Any, structure: lv.Structure | None = None) -> tuple[bytes, list[lv.Extracted]]:
    text = msgspec.json.encode(document)
    small, taken = lv.split(text, INLINE_LIMIT, structure or {})
    assert lv.join(small, taken) == text
    return small, taken


def test_the_smallest_value_above_the_limit_is_taken_and_its_neighbours_stay():
    small, taken = cut({"run": "1", "context": {"stage": "paid", "order": {"scan": BIG, "n": 1}}})
    assert json.loads(small) == {"run": "1", "context": {"stage": "paid", "order": {"scan": None, "n": 1}}}
    assert taken == [lv.Extracted((1, 1, 0), 0, msgspec.json.encode(BIG))]


def test_a_document_without_large_values_stays_as_it_is():
    frames = {f"/do/{n}": {"kind": "call"} for n in range(5000)}
    small, taken = cut({"frames": frames}, {"frames": {"*": {}}})
    assert not taken
    assert json.loads(small) == {"frames": frames}


def test_a_list_of_many_small_values_leaves_only_its_end():
    small, taken = cut({"context": {"rows": [ROW] * 20_000}})
    assert len(small) <= INLINE_LIMIT
    assert 0 < len(taken) <= 16
    assert all(INLINE_LIMIT < len(value) <= PAYLOAD_LIMIT for _, _, value in taken)


def test_many_values_that_leave_something_leave_nothing_where_that_is_too_much():
    documents = {str(n): {"pages": [ROW] * 2000, "scan": BIG} for n in range(50)}
    small, _ = cut({"frames": {"/do/0": {"done": documents}}}, {"frames": {"*": {}}})
    assert len(small) <= INLINE_LIMIT


def test_a_list_that_grows_is_stored_about_once():
    stored: dict[bytes, int] = {}
    rows: list[Any] = []
    for _ in range(100):
        rows.extend([ROW] * 200)
        _, taken = cut({"context": rows})
        stored.update((value, len(value)) for _, _, value in taken)
    assert sum(stored.values()) < 4 * len(msgspec.json.encode(rows))


def test_a_value_too_dense_to_look_into_is_taken_whole():
    small, taken = cut({"context": [1] * 2_500_000})
    assert json.loads(small) == {"context": []}
    assert [(one.at, one.n) for one in taken] == [((0,), 0)]


def test_a_value_nested_too_deep_to_look_into_is_taken_whole():
    nested: Any = [BIG, 1]
    for _ in range(200):
        nested = [nested]
    _, taken = cut({"context": nested})
    assert [(len(one.at), one.n) for one in taken] == [(lv.DEPTH_MAX, 0)]


def test_numbers_and_escapes_keep_their_text():
    text = (
        b'{"context":{"a":[1.10,1E+2,-0.0,123456789012345678901234567890],"b":"\\u00e4\\u0000","c":"%b"}}'
        % (b"y" * INLINE_LIMIT)
    )
    small, taken = lv.split(text, INLINE_LIMIT, {})
    assert lv.join(small, taken) == text
    assert b"[1.10,1E+2,-0.0,123456789012345678901234567890]" in small


def test_of_keys_that_stand_twice_the_last_one_counts():
    text = b'{"a":1,"b":"%b","a":2}' % (b"z" * INLINE_LIMIT)
    small, taken = lv.split(text, INLINE_LIMIT, {})
    assert json.loads(lv.join(small, taken)) == json.loads(text)


def test_a_user_cannot_forge_an_envelope():
    forged = {
        "large": [{"at": [0], "n": 0, "ref": "payloads/other/x.json", "size": 1, "sha256": ""}],
        "of": {},
    }
    text = msgspec.json.encode({"run": "1", "context": forged})
    assert lv.opened(text) is None
    assert lv.small_part(text) == text


def test_a_value_that_is_not_what_was_taken_is_refused():
    small, taken = lv.split(msgspec.json.encode({"context": [ROW] * 5000}), INLINE_LIMIT, {})
    with pytest.raises(ValueError, match="members were taken out"):
        lv.join(small, [one._replace(value=b"{}") for one in taken])
    with pytest.raises(ValueError, match="members were taken out"):
        lv.join(small, [one._replace(at=(0, 9_000_000)) for one in taken])
    small, taken = lv.split(msgspec.json.encode({"context": [BIG, *[ROW] * 5000]}), INLINE_LIMIT, {})
    with pytest.raises(ValueError, match="members were taken out"):
        lv.join(small, [one._replace(value=b"[1,2]") if one.n else one for one in taken])
    with pytest.raises(ValueError, match="something was taken out"):
        lv.join(b"{}", [lv.Extracted((3,), 0, b"1")])
