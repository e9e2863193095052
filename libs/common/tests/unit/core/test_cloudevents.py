"""CloudEvents as they come in."""

from typing import Any

import pytest

from visapi_common.contracts.foreign import Unreadable
from visapi_common.core.cloudevents import check_event, from_binary, is_binary, read_event, subject_of

GOOD: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.example.placed"}


def test_the_four_attributes_make_an_event() -> None:
    assert check_event(GOOD) == []
    assert check_event({**GOOD, "time": "2026-01-31T09:30:00.5Z", "roomid": "r", "data": {"a": 1}}) == []


@pytest.mark.parametrize(
    ("change", "pointer", "detail"),
    [
        ({"id": None}, "", '"id" is missing'),
        ({"type": ""}, "/type", "not empty"),
        ({"specversion": "0.3"}, "/specversion", "1.0"),
        ({"time": "yesterday"}, "/time", "RFC 3339"),
        ({"time": "2026-01-31T09:30:00"}, "/time", "RFC 3339"),
        ({"orderId": "x"}, "/orderId", "lower-case"),
        ({"order": {}}, "/order", "whole number"),
        ({"data_base64": "%%"}, "/data_base64", "base64"),
        ({"data": 1, "data_base64": "AA=="}, "/data_base64", "not both"),
    ],
)
def test_a_mistake_is_named_with_its_place(change: dict[str, Any], pointer: str, detail: str) -> None:
    (error,) = check_event({**GOOD, **change}, "/3")
    assert error.pointer == f"/3{pointer}"
    assert detail in error.detail


def test_a_published_event_cannot_have_the_source_of_a_hook() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/hook%73/pay", "ce-type": "t"}
    refused = read_event(headers, b"{}")
    assert isinstance(refused, Unreadable)
    assert 'must not begin with "/hooks/"' in refused.reason
    assert not isinstance(read_event({**headers, "ce-source": "/hooksale"}, b"{}"), Unreadable)


def test_what_is_no_object_is_no_event() -> None:
    assert check_event([GOOD])[0].pointer == ""


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"a": 1}', {"data": {"a": 1}}),
        ("application/vnd.acme+json; charset=utf-8", b"[1]", {"data": [1]}),
        ("text/plain", "grün".encode(), {"data": "grün"}),
        ("image/png", b"\x89PNG", {"data_base64": "iVBORw=="}),
        ("application/json", b"{broken", {"data_base64": "e2Jyb2tlbg=="}),
        ("application/json", b"", {}),
    ],
)
def test_binary_mode_gives_the_structured_form(content_type: str, body: bytes, expected: Any) -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/a%20b",
        "ce-type": "t",
        "content-type": content_type,
    }
    assert is_binary(headers)
    assert from_binary(headers, body) == {
        "specversion": "1.0", "id": "1", "source": "/a b", "type": "t", "datacontenttype": content_type, **expected,
    }  # fmt: skip


def test_a_type_becomes_tokens_of_a_subject() -> None:
    assert subject_of("com.example.placed") == "com.example.placed"
    assert subject_of("a b.*..>") == "a_b._._._"
