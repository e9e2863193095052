"""`notify.webhook`: the request that is built, and what answers mean. `standardwebhooks` is the oracle."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import ProblemError
from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.channels.webhook import rules as webhook
from visapi_notifier.channels.webhook.rules import WebhookInput, call_of, read_response
from visapi_notifier.outbound.rules.reading import Refused, Sent

KEY = "a1" * 32
OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
URL = "https://partner.example/hooks"


def now() -> datetime:
    """The oracle compares with the clock and allows five minutes; a whole suite takes longer."""
    return datetime.now(UTC)


def build_request(wanted: WebhookInput, *, effect_key: str, now: datetime) -> Outbound:
    return webhook.build_request(call_of(wanted), effect_key=effect_key, now=now)


def received(status: int, body: bytes = b"", **headers: str) -> Inbound:
    return Inbound(status, [(name.replace("_", "-"), value) for name, value in headers.items()], body, URL)


def test_the_reference_library_verifies_our_signature() -> None:
    request = build_request(WebhookInput(URL, {"a": 1}, secret=OLD), effect_key=KEY, now=now())
    assert Webhook(OLD).verify(request.body or b"", dict(request.headers)) == {"a": 1}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    )
)
def test_every_payload_is_verified_by_the_reference_library(payload: object) -> None:
    request = build_request(WebhookInput(URL, payload, secret=[OLD]), effect_key=KEY, now=now())
    assert payload == Webhook(OLD).verify(request.body or b"", dict(request.headers))


def test_while_a_secret_rotates_both_receivers_verify() -> None:
    request = build_request(WebhookInput(URL, 1, secret=[OLD, NEW]), effect_key=KEY, now=now())
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(request.body or b"", dict(request.headers)) == 1


def test_a_changed_body_id_or_time_does_not_verify() -> None:
    request = build_request(WebhookInput(URL, 1, secret=OLD), effect_key=KEY, now=now())
    headers = dict(request.headers)
    for changed in ({"webhook-id": "other"}, {"webhook-timestamp": str(int(now().timestamp()) + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(OLD).verify(request.body or b"", {**headers, **changed})
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(b"2", headers)


def test_a_repetition_keeps_its_id_and_takes_a_new_time() -> None:
    first = dict(build_request(WebhookInput(URL, 1, secret=OLD), effect_key=KEY, now=now()).headers)
    later = dict(
        build_request(WebhookInput(URL, 1, secret=OLD), effect_key=KEY, now=now() + timedelta(9)).headers
    )
    assert first["webhook-id"] == later["webhook-id"] == KEY
    assert first["webhook-timestamp"] != later["webhook-timestamp"]


def test_own_headers_are_added_but_ours_cannot_be_replaced() -> None:
    wanted = WebhookInput(URL, 1, {"X-Tenant": "a", "Content-Type": "application/cloudevents+json"})
    headers = dict(build_request(wanted, effect_key=KEY, now=now()).headers)
    assert headers["X-Tenant"] == "a"
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert "content-type" not in headers
    for name in ("webhook-id", "Webhook-Signature", "Host", "Content-Length", "Transfer-Encoding"):
        with pytest.raises(ProblemError, match="set by VisAPI"):
            build_request(WebhookInput(URL, 1, {name: "x"}), effect_key=KEY, now=now())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nb: c"),
        ("x", "a\n"),
        ("x\r\ny", "a"),
        ("", "a"),
        ("x y", "a"),
        ("x", "a\0"),
        ("x", "€"),
        ("x", ["a"]),
        ("x:", "a"),
    ],
)
def test_a_header_that_would_smuggle_another_is_refused(name: str, value: object) -> None:
    with pytest.raises(ProblemError, match="/headers/"):
        build_request(WebhookInput(URL, 1, {name: value}), effect_key=KEY, now=now())


@pytest.mark.parametrize("secret", ["whsec_", "whsec_***", "not base64!", ["whsec_"]])
def test_a_secret_that_is_none_is_refused_without_being_shown(secret: str | list[str]) -> None:
    with pytest.raises(ProblemError) as caught:
        build_request(WebhookInput(URL, 1, secret=secret), effect_key=KEY, now=now())
    assert "***" not in caught.value.detail
    assert "not base64!" not in caught.value.detail


def test_a_payload_above_the_limit_is_refused() -> None:
    with pytest.raises(ProblemError) as caught:
        build_request(WebhookInput(URL, "x" * 1024 * 1024), effect_key=KEY, now=now())
    assert caught.value.status == 413


def test_a_url_that_can_never_be_reached_is_refused() -> None:
    with pytest.raises(EgressRefused):
        build_request(WebhookInput("ftp://x/"), effect_key=KEY, now=now())


def test_unknown_input_fields_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="urll"):
        msgspec.convert({"url": URL, "urll": 1}, WebhookInput)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_delivered(status: int) -> None:
    assert Sent({"id": KEY, "status": status}) == read_response(received(status), effect_key=KEY, now=now())


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 429, 500, 503])
def test_everything_else_is_a_communication_error_with_the_status(status: int) -> None:
    reading = read_response(received(status, b"why"), effect_key=KEY, now=now())
    assert isinstance(reading, Refused)
    assert reading.error.status == status
    assert reading.error.type.endswith("/communication")
    assert reading.error.data["body"] == "why"


def test_the_receivers_advice_is_read_in_both_forms() -> None:
    for advice, expected in (("7", 7.0), ("Fri, 01 Jan 2100 00:00:00 GMT", None)):
        reading = read_response(received(503, retry_after=advice), effect_key=KEY, now=now())
        assert isinstance(reading, Refused)
        assert reading.retry_after_s is not None
        assert expected in (None, reading.retry_after_s)
