"""Request headers, read strictly."""

import pytest

from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.api.headers import accepts, idempotency_key, media_type_of, preferred_wait_s

JSON, SSE = "application/json", "text/event-stream"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, None),
        ("abc", "abc"),
        ('"abc"', "abc"),
        ('"a b\\"c"', 'a b"c'),
        (" x ", "x"),
        ("a/b:c", "a/b:c"),
    ],
)
def test_an_idempotency_key_is_read_bare_or_quoted(value: str | None, key: str | None) -> None:
    assert idempotency_key(value) == key


@pytest.mark.parametrize("value", ["", '""', "a b", '"', 'a"b', "é", "x" * 256, '"unended'])
def test_other_idempotency_keys_are_refused(value: str) -> None:
    with pytest.raises(ProblemError):
        idempotency_key(value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("wait=5", 5.0),
        ("respond-async, wait=10", 10.0),
        ("wait=600", 60.0),
        ('WAIT="7"', 7.0),
        ("wait=", None),
        ("wait=-1", None),
        ("return=minimal", None),
    ],
)
def test_a_preferred_wait_is_capped(value: str | None, seconds: float | None) -> None:
    assert preferred_wait_s(value) == seconds


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("*/*", JSON),
        (SSE, SSE),
        ("text/*", SSE),
        ("text/event-stream;q=0.5, application/json", JSON),
        ("application/json;q=0, */*", SSE),
        ("image/png", None),
        ("application/json;q=x", None),
    ],
)
def test_the_best_representation_is_chosen(accept: str | None, chosen: str | None) -> None:
    assert accepts(accept, (JSON, SSE)) == chosen


def test_only_utf8_bodies_are_read() -> None:
    assert media_type_of("Application/JSON; Charset=UTF-8") == JSON
    assert media_type_of(None) is None
    with pytest.raises(ProblemError, match="UTF-8"):
        media_type_of("application/json; charset=utf-16")
