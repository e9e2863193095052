"""Text that becomes a subject or header."""

import re

from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core.wire_text import (
    EVENT_TYPE_MAX,
    event_type_flaw,
    function_name_flaw,
    headers_flaw,
    subject_flaw,
    subject_tail,
)

_TOKEN = re.compile(r"[!-)+\-/-=?-~,]+")


@given(st.text(max_size=300))
def test_any_type_of_an_event_has_a_subject_or_a_flaw(kind: str) -> None:
    subject = f"visapi.events.default.{subject_tail(kind)}"

    if event_type_flaw(kind) is None:
        assert subject_flaw(subject) is None
    assert all(_TOKEN.fullmatch(token) for token in subject.split("."))


@given(st.text(max_size=60))
def test_a_subject_without_a_flaw_breaks_no_line(subject: str) -> None:
    if subject_flaw(subject) is None:
        assert all(_TOKEN.fullmatch(token) for token in subject.split("."))


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=40), max_size=4))
def test_headers_without_a_flaw_are_lines(headers: dict[str, str]) -> None:
    if headers_flaw(headers) is None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        assert lines.count(b"\r\n") == lines.count(b"\n") == lines.count(b"\r") == len(headers)


def test_lengths_are_bounded() -> None:
    assert subject_flaw("a" * 1_024) is None
    assert "at most 1024" in str(subject_flaw("a" * 1_025))
    assert event_type_flaw("a" * EVENT_TYPE_MAX) is None
    assert "255" in str(event_type_flaw("a" * 256))
    assert "at most 32768" in str(headers_flaw({"a": "b" * 40_000}))


def test_names_of_functions() -> None:
    assert [function_name_flaw(name) for name in ("a", "acme.score", "A-1._b")] == [None] * 3
    for name in ("", ".", "a.", ".a", "a..b", "a b", "größe", "a*", "a>", "a\n", "\0", "x" * 129):
        assert function_name_flaw(name) is not None, name
