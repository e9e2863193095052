"""`http.request`: the specification's `call: http`."""

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import ProblemError
from visapi_common.core.outbound import ClientCertificate, Inbound
from visapi_notifier.channels.http.rules import (
    Effect,
    HttpInput,
    build_request,
    effect_of,
    read_response,
    unsent_output,
)
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://api.example/pets"


def wanted(**fields: Any) -> HttpInput:
    return msgspec.convert({"method": "get", "endpoint": URL, **fields}, HttpInput)


def read(
    request: HttpInput, status: int, body: bytes = b"", cut: str | None = None, **headers: str
) -> Reading:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return read_response(request, build_request(request), Inbound(status, pairs, body, URL, cut), now=NOW)


@pytest.mark.parametrize(
    ("method", "headers", "effect"),
    [
        ("get", {}, Effect.NONE),
        ("HEAD", {}, Effect.NONE),
        ("put", {}, Effect.KEYED),
        ("DELETE", {}, Effect.KEYED),
        ("post", {}, Effect.ONCE),
        ("PATCH", {}, Effect.ONCE),
        ("post", {"idempotency-KEY": "x"}, Effect.KEYED),
    ],
)
def test_the_effect_class_follows_from_method_and_key(
    method: str, headers: dict[str, str], effect: Effect
) -> None:
    assert effect == effect_of(wanted(method=method, headers=headers))


def test_an_unsent_request_is_answered_in_the_asked_form() -> None:
    for form, output in (("content", {"test": True}), ("raw", "")):
        request = wanted(method="post", output=form)
        assert unsent_output(request, build_request(request)) == output
    request = wanted(method="post", output="response", headers={"Authorization": "x", "X-Shop": "1"})
    assert unsent_output(request, build_request(request)) == {
        "request": {"method": "POST", "uri": URL, "headers": {"X-Shop": "1"}},
        "statusCode": 200,
        "headers": {},
        "content": {"test": True},
    }


def test_a_request_of_class_once_takes_a_fresh_connection() -> None:
    assert build_request(wanted(method="post")).fresh_connection
    assert not build_request(wanted(method="get")).fresh_connection


def test_query_values_are_added_and_encoded() -> None:
    request = build_request(
        wanted(endpoint=URL + "?a=1", query={"q": "x y&z", "n": 2, "l": [1, "b"], "t": True, "none": None})
    )
    assert request.url == URL + "?a=1&q=x+y%26z&n=2&l=1&l=b&t=true"


@pytest.mark.parametrize(
    ("body", "media_type", "sent", "announced"),
    [
        ({"a": 1}, None, b'{"a":1}', "application/json"),
        ([1], None, b"[1]", "application/json"),
        (1, None, b"1", "application/json"),
        ("plain", None, b"plain", "text/plain; charset=utf-8"),
        ("<a/>", "application/xml", b"<a/>", "application/xml"),
        ({"a": 1}, "application/merge-patch+json", b'{"a":1}', "application/merge-patch+json"),
        (
            {"a": "x y", "b": [1, 2]},
            "application/x-www-form-urlencoded",
            b"a=x+y&b=1&b=2",
            "application/x-www-form-urlencoded",
        ),
    ],
)
def test_the_body_follows_its_media_type(
    body: Any, media_type: str | None, sent: bytes, announced: str
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    request = build_request(wanted(method="post", body=body, headers=headers))
    assert request.body == sent
    assert announced == {name.lower(): value for name, value in request.headers}["content-type"]


def test_an_object_cannot_be_sent_as_an_image() -> None:
    with pytest.raises(ProblemError, match="/body"):
        build_request(wanted(method="post", body={"a": 1}, headers={"Content-Type": "image/png"}))


def test_inline_credentials_become_a_header_unless_one_is_given() -> None:
    basic = build_request(
        wanted(endpoint={"uri": URL, "authentication": {"basic": {"username": "a", "password": "b"}}})
    )
    assert dict(basic.headers)["authorization"] == "Basic " + base64.b64encode(b"a:b").decode()
    bearer = build_request(wanted(endpoint={"uri": URL, "authentication": {"bearer": {"token": "t"}}}))
    assert dict(bearer.headers)["authorization"] == "Bearer t"
    with pytest.raises(ProblemError):
        build_request(wanted(endpoint={"uri": URL, "authentication": {"bearer": {"token": "t\r\nx: y"}}}))


@pytest.mark.parametrize(
    "endpoint", ["file:///etc/passwd", "http://127.1/", "https://u:p@api.example/", "http://a b/"]
)
def test_a_hostile_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(EgressRefused):
        build_request(wanted(endpoint=endpoint))


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET /x HTTP/1.1\r\nHost: y", "", "FOO"])
def test_an_unknown_method_is_refused(method: str) -> None:
    with pytest.raises(ProblemError, match="/method"):
        build_request(wanted(method=method))


@pytest.mark.parametrize(
    ("body", "media_type", "content"),
    [
        (b'{"a": 1}', "application/json; charset=utf-8", {"a": 1}),
        (b'{"a": 1}', "application/problem+json", {"a": 1}),
        (b"text", "text/plain", "text"),
        (b"\xff\xfe", "image/png", base64.b64encode(b"\xff\xfe").decode()),
        (b"", "application/json", None),
    ],
)
def test_content_is_deserialised_where_possible(body: bytes, media_type: str, content: Any) -> None:
    assert Sent(content) == read(wanted(), 200, body, content_type=media_type)


def test_a_client_certificate_goes_with_an_https_request_only() -> None:
    policy = {"certificate": {"certificate": "C", "key": "K", "password": "P"}}
    sent = build_request(wanted(endpoint={"uri": URL, "authentication": policy}))
    assert sent.certificate == ClientCertificate("C", "K", "P")
    assert sent.headers == []
    with pytest.raises(ProblemError, match="https"):
        build_request(wanted(endpoint={"uri": "http://api.example/pets", "authentication": policy}))


def test_raw_is_base64() -> None:
    assert Sent(base64.b64encode(b'{"a": 1}').decode()) == read(wanted(output="raw"), 200, b'{"a": 1}')


def test_response_shows_all_but_credentials() -> None:
    request = wanted(
        output="response", headers={"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Accept": "a/b"}
    )
    reading = read(request, 201, b"{}", content_type="application/json")
    assert isinstance(reading, Sent)
    assert reading.output == {
        "request": {"method": "GET", "uri": URL, "headers": {"Accept": "a/b"}},
        "statusCode": 201,
        "headers": {"content-type": "application/json"},
        "content": {},
    }


@pytest.mark.parametrize("status", [302, 400, 404, 418, 500, 503])
def test_a_status_outside_2xx_is_a_communication_error_with_it(status: int) -> None:
    reading = read(wanted(), status, b"why")
    assert isinstance(reading, Refused)
    assert (reading.error.status, reading.error.data) == (status, {"body": "why"})
    assert reading.error.type.endswith("/communication")


def test_redirect_true_accepts_3xx_and_follows_only_safe_methods() -> None:
    assert isinstance(read(wanted(redirect=True), 304), Sent)
    assert build_request(wanted(redirect=True)).redirects == 5
    assert build_request(wanted(method="post", redirect=True)).redirects == 0
    assert build_request(wanted()).redirects == 0


def test_an_answer_that_was_cut_is_an_error() -> None:
    reading = read(wanted(), 200, b"x", cut="the body is larger than 1 bytes")
    assert isinstance(reading, Refused)
    assert reading.error.status == 502
