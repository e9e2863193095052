"""Bytes from outside become a value or `Unreadable`, whatever they are."""

from typing import Any

import msgspec
import pytest

from visapi_common.contracts.foreign import Reader, Unreadable, deeper_than, safe_reason, scraps


class _Note(msgspec.Struct, frozen=True):
    name: str
    attempt: int = 0
    output: msgspec.Raw = msgspec.Raw(b"null")


_note = Reader(_Note)


def _reason(data: bytes) -> str:
    read = _note(data)
    assert isinstance(read, Unreadable), f"{data[:60]!r} was read as {read}"
    return read.reason


def test_a_message_that_means_something_is_a_value() -> None:
    read = _note(b'{"name": "r\xc3\xa9sum\xc3\xa9", "attempt": 2, "later": [1], "output": {"a": 1}}')

    assert isinstance(read, _Note)
    assert (read.name, read.attempt, bytes(read.output)) == ("résumé", 2, b'{"a": 1}')


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"name": "r\xe9sum\xe9"}', id="in a text that is read"),
        pytest.param(b'{"name": "a", "output": "\xe9"}', id="in a raw member"),
        pytest.param(b'{"name": "a", "unknown": "\xe9"}', id="in an unknown member"),
        pytest.param(b'{"\xe9": 1, "name": "a"}', id="in a name"),
        pytest.param(b'{"name": "\xed\xa0\x80"}', id="a surrogate as UTF-8"),
    ],
)
def test_what_is_not_utf8_is_unreadable_wherever_it_stands(data: bytes) -> None:
    assert _reason(data).startswith("not UTF-8")


@pytest.mark.parametrize("levels", [65, 990, 5_000, 150_000])
@pytest.mark.parametrize("member", [b"output", b"unknown", b"name"])
def test_deep_nesting_is_unreadable_wherever_it_stands(levels: int, member: bytes) -> None:
    assert "nested deeper than 64" in _reason(b'{"%b": %b%b}' % (member, b"[" * levels, b"]" * levels))
    assert "nested deeper than 64" in _reason(b'{"%b": %b' % (member, b'{"a":' * levels))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\xff\xfe{",
        b"nul",
        b"[]",
        b'{"name": 1}',
        b'{"name": "\\ud800 alone"}',
        b'{"name": "a", "output": "\\udc00"}',
        b'{"name": "a", "attempt": 1e400}',
        b'{"name": "a", "attempt": ' + b"9" * 5_000 + b"}",
        b'{"name": "a\\u0000b"}',
        b'{"name": "' + b"a" * 1024 * 1024 + b'"}',
    ],
)
def test_nothing_else_raises_either(data: bytes) -> None:
    assert _reason(data)


def test_a_backslash_before_a_u_is_no_forbidden_character() -> None:
    assert _note(rb'{"name": "a\\u0000"}') == _Note("a\\u0000")
    assert isinstance(_note(rb'{"name": "a\\\u0000"}'), Unreadable)


def test_a_reason_is_one_short_line_of_printable_text() -> None:
    reason = _reason(b'{"name": {"\xc3\xa9\\n' + b"x" * 5_000 + b'": 1}}')

    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) <= 200
    assert safe_reason("Ä\n" + "x" * 500) == "??" + "x" * 195 + "..."


@pytest.mark.parametrize(
    ("data", "levels"),
    [
        (b"1", 0),
        (b'"[[[[[[[["', 0),
        (b'["\\"[[[["]', 1),
        (b"[]" * 40, 1),
        (b"[" + b",".join([b'{"a": [1, {"b": []}]}'] * 400) + b"]", 5),
        (b"[" * 300 + b"]" * 300, 300),
        (b"[" * 70_000 + b"]" * 70_000, 70_000),
        ((b"[" * 100 + b"]" * 100 + b",") * 2_000, 100),
    ],
)
def test_depth_is_counted_outside_of_texts_only(data: bytes, levels: int) -> None:
    assert not deeper_than(data, levels)
    assert levels == 0 or deeper_than(data, levels - 1)


@pytest.mark.parametrize(
    "rest", [b"[" * 5_000, b'"\xe9', b'{"name": "theirs", "attempt": 9', b'"\\"name\\": 1"']
)
def test_scraps_say_whose_a_message_is_that_cannot_be_read(rest: bytes) -> None:
    for data in (
        b'{"name": "mine", "attempt" : 7, "output": %b' % rest,
        b'{"output": %b ,"attempt":7,"name":"mine"' % rest,
    ):
        found = [msgspec.json.decode(one, type=_Note) for one in scraps(data, "name", "attempt")]
        assert _Note("mine", 7) in found


def test_scraps_of_bytes_that_say_nothing_are_empty() -> None:
    assert list(scraps(b"\xff\xfe", "name")) == [b"{}", b"{}"]


def test_any_value_can_be_asked_for() -> None:
    assert Reader(Any, depth_max=2)(b'{"a": [1]}') == {"a": [1]}
