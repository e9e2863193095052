"""`notify.slack`: the request that is built, and Slack's peculiar answers."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from visapi_common.core.errors import ProblemError
from visapi_common.core.outbound import Inbound
from visapi_notifier.channels.slack.rules import SlackInput, build_request, read_response
from visapi_notifier.outbound.rules.reading import Refused, Sent, Unclear

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASE = "https://slack.com/api"
CHANNEL = SlackInput(channel="C1", text="hi")
HOOK = SlackInput(webhook="https://hooks.slack.com/services/T/B/X", text="hi")


def received(body: Any, status: int = 200, retry_after: str | None = None) -> Inbound:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = [("Retry-After", retry_after)] if retry_after else []
    return Inbound(status, headers, raw, BASE)


def test_a_channel_is_posted_to_with_the_token() -> None:
    request = build_request(CHANNEL, base_url=BASE + "/", token="xoxb-1")
    assert request.url == "https://slack.com/api/chat.postMessage"
    assert dict(request.headers)["authorization"] == "Bearer xoxb-1"
    assert msgspec.json.decode(request.body or b"") == {"channel": "C1", "text": "hi"}


def test_a_webhook_gets_no_token() -> None:
    request = build_request(HOOK, base_url=BASE, token="xoxb-1")
    assert request.url == HOOK.webhook
    assert "authorization" not in dict(request.headers)


@pytest.mark.parametrize(
    "wanted",
    [
        SlackInput(text="x"),
        SlackInput(channel="C", webhook="https://x.example", text="x"),
        SlackInput(channel="C"),
        SlackInput(channel="C", text=""),
        SlackInput(channel="C", blocks=[{}] * 51),
        SlackInput(channel="C", text="x" * 40_001),
        SlackInput(channel="C", blocks=[{"text": "x" * 110_000}]),
    ],
)
def test_a_message_that_slack_can_never_take_is_refused(wanted: SlackInput) -> None:
    with pytest.raises(ProblemError):
        build_request(wanted, base_url=BASE, token="xoxb-1")


def test_a_channel_without_a_token_says_which_setting_is_missing() -> None:
    with pytest.raises(ProblemError, match="VISAPI_SLACK_TOKEN"):
        build_request(CHANNEL, base_url=BASE, token=None)


def test_ok_is_sent_with_its_timestamp() -> None:
    reading = read_response(CHANNEL, received({"ok": True, "channel": "C1", "ts": "1.2"}), now=NOW)
    assert reading == Sent({"via": "chat.postMessage", "channel": "C1", "ts": "1.2"})
    assert read_response(HOOK, received(b"ok"), now=NOW) == Sent({"via": "webhook"})


@pytest.mark.parametrize(
    ("word", "status"),
    [("channel_not_found", 404), ("invalid_auth", 401), ("missing_scope", 403), ("too_long", 400)],
)
def test_an_error_inside_a_200_is_an_error(word: str, status: int) -> None:
    reading = read_response(CHANNEL, received({"ok": False, "error": word}), now=NOW)
    assert isinstance(reading, Refused)
    assert reading.error.status == status
    assert reading.error.data == {"error": word}


@pytest.mark.parametrize("word", ["fatal_error", "internal_error"])
def test_an_error_after_which_the_message_may_have_been_posted_is_unclear(word: str) -> None:
    assert isinstance(read_response(CHANNEL, received({"ok": False, "error": word}), now=NOW), Unclear)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_broken_slack_is_unclear(status: int) -> None:
    assert isinstance(read_response(CHANNEL, received(b"<html>", status), now=NOW), Unclear)
    assert isinstance(read_response(HOOK, received(b"", status), now=NOW), Unclear)


def test_an_unreadable_200_is_unclear() -> None:
    assert isinstance(read_response(CHANNEL, received(b"<html>"), now=NOW), Unclear)


def test_a_limit_carries_its_advice() -> None:
    for wanted in (CHANNEL, HOOK):
        reading = read_response(wanted, received(b"", 429, "3"), now=NOW)
        assert isinstance(reading, Refused)
        assert reading.retry_after_s == 3.0
    reading = read_response(CHANNEL, received({"ok": False, "error": "ratelimited"}), now=NOW)
    assert isinstance(reading, Refused)
    assert reading.retry_after_s == 1.0


def test_a_webhooks_refusal_is_a_word() -> None:
    reading = read_response(HOOK, received(b"no_service", 404), now=NOW)
    assert isinstance(reading, Refused)
    assert reading.error.data == {"error": "no_service"}
