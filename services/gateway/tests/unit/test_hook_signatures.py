"""Signatures of providers: the values that they document, and requests signed by `kit.webhooks`."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kit import webhooks
from visapi_common.contracts.hooks import HmacScheme, HookSettings, Provider, RefusalReason
from visapi_gateway.hooks.rules.providers import PROVIDERS
from visapi_gateway.hooks.rules.requests import Genuine, HookRequest, Refused, Verdict

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
AT = NOW.timestamp()
SECRET = "a-secret-that-the-provider-shows"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"id":"evt_1","type":"invoice.paid"}'
PLAIN = HookSettings()
GENERIC = HookSettings(hmac=HmacScheme(**webhooks.SCHEME))


def request(headers: Mapping[str, str], body: bytes = BODY) -> HookRequest:
    return HookRequest.of([(name.encode(), value.encode("latin-1")) for name, value in headers.items()], body)


def verdict(
    provider: Provider,
    headers: Mapping[str, str],
    body: bytes = BODY,
    *,
    secrets: tuple[str, ...] = (SECRET,),
    settings: HookSettings = PLAIN,
    now: datetime = NOW,
) -> Verdict:
    return PROVIDERS[provider].verify(request(headers, body), secrets, settings, now)


def reason(given: Verdict) -> RefusalReason | None:
    return given.reason if isinstance(given, Refused) else None


SIGNED: dict[Provider, tuple[str, dict[str, str], HookSettings]] = {
    "github": (SECRET, webhooks.github(SECRET, BODY), HookSettings()),
    "stripe": (SECRET, webhooks.stripe(SECRET, BODY, at=AT), HookSettings()),
    "slack": (SECRET, webhooks.slack(SECRET, BODY, at=AT), HookSettings()),
    "shopify": (SECRET, webhooks.shopify(SECRET, BODY), HookSettings()),
    "standard-webhooks": (
        STANDARD,
        webhooks.standard(STANDARD, BODY, ident="msg_1", at=AT),
        HookSettings(),
    ),
    "whatsapp": (SECRET, webhooks.whatsapp(SECRET, BODY), HookSettings()),
    "hmac": (SECRET, webhooks.generic(SECRET, BODY, at=AT), GENERIC),
    "basic": ("visapi:" + SECRET, webhooks.basic("visapi:" + SECRET), HookSettings()),
}
OTHER: dict[Provider, str] = {
    "standard-webhooks": "whsec_" + "A" * 32,
    "basic": "visapi:another-password-of-ours",
}
TIMED: list[Provider] = ["stripe", "slack", "standard-webhooks", "hmac"]


@pytest.mark.parametrize("provider", SIGNED)
def test_what_the_provider_signed_is_genuine(provider: Provider):
    secret, headers, settings = SIGNED[provider]
    found = verdict(provider, headers, secrets=(secret,), settings=settings)
    assert found == Genuine(NOW.replace(microsecond=0) if provider in TIMED else None)


@pytest.mark.parametrize("provider", SIGNED)
def test_each_of_several_secrets_is_enough_and_another_one_is_not(provider: Provider):
    secret, headers, settings = SIGNED[provider]
    other = OTHER.get(provider, "another-secret-of-the-provider")
    for secrets in ((other, secret), (secret, other)):
        assert isinstance(verdict(provider, headers, secrets=secrets, settings=settings), Genuine)
    assert reason(verdict(provider, headers, secrets=(other,), settings=settings)) == "signature"
    assert reason(verdict(provider, headers, secrets=(), settings=settings)) == "signature"


@pytest.mark.parametrize("provider", SIGNED)
def test_each_header_that_is_missing_or_stands_there_twice_refuses(provider: Provider):
    secret, headers, settings = SIGNED[provider]
    needed = 0
    for name in headers:
        rest = {other: value for other, value in headers.items() if other != name}
        twice = [(each.encode(), value.encode()) for each, value in [*headers.items(), (name, headers[name])]]
        without = verdict(provider, rest, secrets=(secret,), settings=settings)
        doubled = PROVIDERS[provider].verify(HookRequest.of(twice, BODY), (secret,), settings, NOW)
        assert isinstance(doubled, Genuine) == isinstance(without, Genuine)
        needed += isinstance(without, Refused)
    assert needed >= 1


@pytest.mark.parametrize("provider", TIMED)
@pytest.mark.parametrize(
    ("off_s", "good"), [(299, True), (301, False), (-299, True), (-301, False), (86_400, False)]
)
def test_a_signed_timestamp_may_be_five_minutes_off(provider: Provider, off_s: int, good: bool):
    secret, headers, settings = SIGNED[provider]
    found = verdict(
        provider, headers, secrets=(secret,), settings=settings, now=NOW + timedelta(seconds=off_s)
    )
    assert reason(found) == (None if good else "timestamp")


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1e9", "١٢٣", "9" * 12, "9" * 400, "NaN", " 1", "1 ", "0x10"]
)
def test_a_timestamp_that_is_no_number_of_seconds_near_now_refuses(text: str):
    """Signed by somebody who has the secret: what the provider itself would never send."""
    raw = text.encode("latin-1", "replace")
    signature = hmac.new(SECRET.encode(), b"v0:" + raw + b":" + BODY, hashlib.sha256).hexdigest()
    pairs = [(b"x-slack-request-timestamp", raw), (b"x-slack-signature", b"v0=" + signature.encode())]
    found = PROVIDERS["slack"].verify(HookRequest.of(pairs, BODY), [SECRET], HookSettings(), NOW)
    assert reason(found) == "timestamp"


def test_the_values_of_githubs_documentation():
    body = b"Hello, World!"
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    found = verdict(
        "github", {"X-Hub-Signature-256": signature}, body, secrets=("It's a Secret to Everybody",)
    )
    assert found == Genuine()


def test_the_values_of_slacks_documentation():
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "X-Slack-Request-Timestamp": "1531420618",
        "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    now = datetime.fromtimestamp(1531420618, UTC)
    found = verdict("slack", headers, body, secrets=("8f742231b10e8888abcd99yyyzzz85a5",), now=now)
    assert found == Genuine(now)


def test_the_values_of_standard_webhooks_documentation_under_both_names():
    now = datetime.fromtimestamp(1614265330, UTC)
    values = {
        "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "timestamp": "1614265330",
        "signature": "v1,bm9ldHU= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    for prefix in ("webhook", "svix"):
        headers = {f"{prefix}-{name}": value for name, value in values.items()}
        found = verdict("standard-webhooks", headers, b'{"test": 2432232314}', secrets=(STANDARD,), now=now)
        assert found == Genuine(now)


def test_stripe_accepts_one_right_signature_among_others_and_one_timestamp_only():
    headers = webhooks.stripe(SECRET, BODY, at=AT, more=f",v1={'0' * 64}")
    assert isinstance(verdict("stripe", headers), Genuine)
    header = headers["Stripe-Signature"]
    assert reason(verdict("stripe", {"Stripe-Signature": f"{header},t={int(AT)}"})) == "signature"
    flood = ",".join(["v1=" + "0" * 64] * 400)
    assert reason(verdict("stripe", {"Stripe-Signature": f"t={int(AT)},{flood}"})) == "signature"
    only_v0 = header.replace("v1=", "v9=")
    assert reason(verdict("stripe", {"Stripe-Signature": only_v0})) == "signature"


def test_a_generic_scheme_in_hex_accepts_capitals():
    settings = HookSettings(hmac=HmacScheme(header="X-Sign", algorithm="sha1"))
    signature = hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest().upper()
    assert verdict("hmac", {"X-Sign": signature}, settings=settings) == Genuine()
    assert reason(verdict("hmac", {"X-Sign": signature[:-1]}, settings=settings)) == "signature"


def describe(provider: Provider, headers: dict[str, str], data: Any, settings: HookSettings = PLAIN) -> Any:
    return PROVIDERS[provider].describe(request(headers, json.dumps(data).encode()), data, settings)


@pytest.mark.parametrize(
    ("provider", "headers", "data", "expected"),
    [
        (
            "github",
            {"X-GitHub-Delivery": "d", "X-GitHub-Event": "pull_request"},
            {},
            ("d", "pull_request", None),
        ),
        (
            "stripe",
            {},
            {"id": "evt_1", "type": "charge.refunded", "data": {"object": {"id": "ch_1"}}},
            ("evt_1", "charge.refunded", "ch_1"),
        ),
        (
            "slack",
            {},
            {"type": "event_callback", "event_id": "Ev1", "event": {"type": "message", "channel": "C1"}},
            ("Ev1", "message", "C1"),
        ),
        (
            "slack",
            {},
            {"command": "/deploy", "trigger_id": "13.37", "channel_id": "C2"},
            ("13.37", "slash_command", "C2"),
        ),
        (
            "slack",
            {},
            {"type": "block_actions", "trigger_id": "t", "channel": {"id": "C3"}},
            ("t", "block_actions", "C3"),
        ),
        (
            "shopify",
            {"X-Shopify-Webhook-Id": "w", "X-Shopify-Topic": "orders/create", "X-Shopify-Shop-Domain": "a.b"},
            {},
            ("w", "orders.create", "a.b"),
        ),
        (
            "standard-webhooks",
            {"webhook-id": "msg_1"},
            {"type": "user.created"},
            ("msg_1", "user.created", None),
        ),
    ],
)
def test_a_request_says_its_delivery_its_event_and_its_subject(
    provider: Provider, headers: dict[str, str], data: Any, expected: tuple[str, str, str | None]
):
    said = describe(provider, headers, data)
    assert (said.id, said.event, said.subject) == expected


def test_meta_names_no_delivery_so_that_the_content_does():
    data = {
        "entry": [
            {"id": "1", "changes": [{"field": "messages", "value": {"metadata": {"phone_number_id": "9"}}}]}
        ]
    }
    one, two = describe("whatsapp", {}, data), describe("whatsapp", {}, {**data, "object": "x"})
    assert (one.event, one.subject) == ("messages", "9")
    assert one.id.startswith("sha256:")
    assert one.id != two.id


def test_a_generic_hook_reads_where_its_settings_say():
    settings = HookSettings(id_from="X-Id", event_from="/meta/kind")
    said = describe("none", {"X-Id": "7"}, {"meta": {"kind": "Order Placed/now"}}, settings)
    assert (said.id, said.event) == ("7", "Order_Placed.now")
    assert describe("none", {}, {}, settings).reason == "id"
    assert describe("none", {}, [1], HookSettings()).event == "received"
    assert describe("none", {}, {"a": [{"b": 5}]}, HookSettings(id_from="/a/0/b")).id == "5"
