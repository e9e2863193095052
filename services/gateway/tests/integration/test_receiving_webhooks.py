"""The door of hooks: each provider's requests become events, once."""

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from kit import webhooks
from kit.ledger_rows import overwrite

PUSH = {"ref": "refs/heads/main", "repository": {"full_name": "acme/shop"}, "after": "f" * 40}
GIVEN = "a-secret-that-the-provider-shows"
"""A secret that is given; long enough for every provider but Standard Webhooks."""


async def make(gateway: Any, provider: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    body = {"name": name or provider, "provider": provider, **more}
    answer = await gateway.http.post("/v1/hooks", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def events(gateway: Any) -> list[dict[str, Any]]:
    rows = await gateway.db.fetch("select tenant, body from visapi.events_in order by received_at")
    return [{"tenant": row["tenant"], **msgspec.json.decode(row["body"])} for row in rows]


def sender(gateway: Any) -> httpx.AsyncClient:
    """A provider: it has no key."""
    return gateway.client(None)


async def test_a_push_of_github_becomes_an_event_once(gateway: Any):
    hook = await make(gateway, "github", settings={"headers": ["X-GitHub-Event"]})
    body = json.dumps(PUSH).encode()
    headers = webhooks.github(hook["secret"], body, delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958")
    async with sender(gateway) as github:
        first = await github.post(hook["path"], content=body, headers=headers)
        again = await github.post(hook["path"], content=body, headers=headers)
    assert (first.status_code, first.json()) == (
        202,
        {"id": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "duplicate": False},
    )
    assert (again.status_code, again.json()["duplicate"]) == (202, True)
    (event,) = await events(gateway)
    assert event.pop("time")
    assert event == {
        "tenant": "default",
        "specversion": "1.0",
        "id": f"{hook['id']}/72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "source": "/hooks/github",
        "type": "hook.github.push",
        "subject": "acme/shop",
        "visapihook": hook["id"],
        "headerxgithubevent": "push",
        "datacontenttype": "application/json",
        "data": PUSH,
    }
    counted = gateway.lifecycle.metrics.registry.get_sample_value
    for outcome in ("accepted", "duplicate"):
        assert counted("visapi_hook_requests_total", {"provider": "github", "outcome": outcome}) == 1


async def test_a_form_of_github_carries_the_same_data(gateway: Any):
    hook = await make(gateway, "github")
    body = urlencode({"payload": json.dumps(PUSH)}).encode()
    async with sender(gateway) as github:
        headers = webhooks.github(hook["secret"], body, kind=webhooks.FORM)
        assert (await github.post(hook["path"], content=body, headers=headers)).status_code == 202
    (event,) = await events(gateway)
    assert (event["data"], event["datacontenttype"]) == (PUSH, "application/json")


def stripe_event(number: int = 1) -> bytes:
    event = {"id": f"evt_{number}", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}}}
    return json.dumps(event).encode()


async def test_a_stripe_event_that_is_sent_again_is_one_event(gateway: Any):
    """Stripe signs each attempt anew; the id of the event stays."""
    hook = await make(gateway, "stripe", secret="whsec_" + GIVEN)
    now = time.time()
    async with sender(gateway) as stripe:
        for at, duplicate in ((now - 200, False), (now, True)):
            headers = webhooks.stripe("whsec_" + GIVEN, stripe_event(), at=at)
            answer = await stripe.post(hook["path"], content=stripe_event(), headers=headers)
            assert (answer.status_code, answer.json()) == (202, {"id": "evt_1", "duplicate": duplicate})
        stale = webhooks.stripe("whsec_" + GIVEN, stripe_event(2), at=now - 400)
        assert (await stripe.post(hook["path"], content=stripe_event(2), headers=stale)).status_code == 401
    (event,) = await events(gateway)
    assert (event["id"], event["type"], event["subject"]) == (
        f"{hook['id']}/evt_1",
        "hook.stripe.payment_intent.succeeded",
        "pi_1",
    )


async def test_slack_is_answered_as_slack_wants_and_its_challenge_is_no_event(gateway: Any):
    hook = await make(gateway, "slack", secret=GIVEN)

    async def post(slack: httpx.AsyncClient, body: bytes, kind: str = webhooks.JSON) -> httpx.Response:
        headers = webhooks.slack(GIVEN, body, at=time.time(), kind=kind)
        return await slack.post(hook["path"], content=body, headers=headers)

    message = json.dumps(
        {"type": "event_callback", "event_id": "Ev1", "team_id": "T", "event": {"type": "app_mention"}}
    ).encode()
    pressed = {"type": "block_actions", "trigger_id": "1.2", "actions": [{"value": "yes"}]}
    async with sender(gateway) as slack:
        challenge = await post(
            slack,
            b'{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}',
        )
        assert (challenge.status_code, challenge.text) == (
            200,
            "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
        )
        assert challenge.headers["content-type"].startswith("text/plain")
        for body, kind in (
            (message, webhooks.JSON),
            (message, webhooks.JSON),
            (urlencode({"payload": json.dumps(pressed)}).encode(), webhooks.FORM),
            (urlencode({"command": "/deploy", "text": "shop", "trigger_id": "3.4"}).encode(), webhooks.FORM),
        ):
            answer = await post(slack, body, kind)
            assert (answer.status_code, answer.content) == (200, b"")
    found = [(event["id"].partition("/")[2], event["type"]) for event in await events(gateway)]
    assert found == [
        ("Ev1", "hook.slack.app_mention"),
        ("1.2", "hook.slack.block_actions"),
        ("3.4", "hook.slack.slash_command"),
    ]
    assert (await events(gateway))[2]["data"] == {"command": "/deploy", "text": "shop", "trigger_id": "3.4"}


async def test_whatsapp_shakes_hands_with_the_token_alone_and_then_sends(gateway: Any):
    hook = await make(gateway, "whatsapp", secret=GIVEN)
    greeting = {
        "hub.mode": "subscribe",
        "hub.verify_token": hook["verify_token"],
        "hub.challenge": "1158201444",
    }
    body = json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages"}]}]}
    ).encode()
    async with sender(gateway) as meta:
        good = await meta.get(hook["path"], params=greeting)
        assert (good.status_code, good.text) == (200, "1158201444")
        for change in ({"hub.verify_token": "x" * 32}, {"hub.mode": "unsubscribe"}):
            bad = await meta.get(hook["path"], params={**greeting, **change})
            assert (bad.status_code, bad.json()["code"]) == (401, "hook_refused")
        for less in ("hub.verify_token", "hub.challenge", "hub.mode"):
            some = {name: value for name, value in greeting.items() if name != less}
            assert (await meta.get(hook["path"], params=some)).status_code == 401
        marked = {**greeting, "hub.challenge": "<script>"}
        assert (await meta.get(hook["path"], params=marked)).text == "<script>"
        assert (await meta.get(hook["path"], params={**greeting, "hub.challenge": "a b"})).status_code == 400
        for duplicate in (False, True):
            answer = await meta.post(hook["path"], content=body, headers=webhooks.whatsapp(GIVEN, body))
            assert (answer.status_code, answer.json()["duplicate"]) == (200, duplicate)
    (event,) = await events(gateway)
    assert event["type"] == "hook.whatsapp.messages"


async def test_shopify_standard_webhooks_generic_basic_and_unsigned_hooks_accept(gateway: Any):
    body = b'{"type":"contact.created","n":1}'
    now = time.time()
    shopify = await make(gateway, "shopify", secret=GIVEN)
    standard = await make(gateway, "standard-webhooks")
    generic = await make(
        gateway, "hmac", settings={"hmac": webhooks.SCHEME, "id_from": "/n", "event_from": "/type"}
    )
    basic = await make(gateway, "basic")
    none = await make(gateway, "none", settings={"id_from": "X-Id", "subject_from": "/type"})
    requests = [
        (shopify, webhooks.shopify(GIVEN, body, webhook="w-1"), 200),
        (standard, webhooks.standard(standard["secret"], body, ident="msg_1", at=now), 202),
        (generic, webhooks.generic(generic["secret"], body, at=now), 202),
        (basic, webhooks.basic(basic["secret"]), 202),
        (none, {"Content-Type": webhooks.JSON, "X-Id": "x-1"}, 202),
    ]
    async with sender(gateway) as provider:
        for hook, headers, status in requests:
            answer = await provider.post(hook["path"], content=body, headers=headers)
            assert (answer.status_code, answer.json()["duplicate"]) == (status, False), hook["provider"]
    found = {event["source"]: event for event in await events(gateway)}
    assert {
        source: (event["id"].partition("/")[2], event["type"])
        for source, event in found.items()
        if source != "/hooks/basic"
    } == {
        "/hooks/shopify": ("w-1", "hook.shopify.orders.create"),
        "/hooks/standard-webhooks": ("msg_1", "hook.standard-webhooks.contact.created"),
        "/hooks/hmac": ("1", "hook.hmac.contact.created"),
        "/hooks/none": ("x-1", "hook.none.received"),
    }
    assert found["/hooks/none"]["subject"] == "contact.created"


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("text/plain", "grüße".encode(), {"data": "grüße", "datacontenttype": "text/plain"}),
        ("text/plain; charset=iso-8859-1", "grüße".encode("latin-1"), {"data_base64": "Z3L832U="}),
        ("application/xml", b"<a/>", {"data_base64": "PGEvPg==", "datacontenttype": "application/xml"}),
        ("", b'{"a":1}', {"data_base64": "eyJhIjoxfQ==", "datacontenttype": "application/octet-stream"}),
        (
            "application/vnd.acme+json; v=1",
            b'{"a":1}',
            {"data": {"a": 1}, "datacontenttype": "application/json"},
        ),
        (webhooks.FORM, b"a=1&b=%C3%BC&a=2", {"data": {"a": ["1", "2"], "b": "ü"}}),
    ],
)
async def test_a_body_is_read_as_its_content_type_says(
    gateway: Any, kind: str, body: bytes, expected: dict[str, Any]
):
    hook = await make(gateway, "none")
    headers = {"Content-Type": kind} if kind else {}
    async with sender(gateway) as provider:
        assert (await provider.post(hook["path"], content=body, headers=headers)).status_code == 202
    (event,) = await events(gateway)
    assert {name: event.get(name) for name in expected} == expected


def likeness(answer: httpx.Response) -> tuple[int, dict[str, Any], dict[str, str]]:
    """What a sender can see of an answer, without what differs from request to request."""
    own = {"x-request-id", "date", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name not in own}
    body = answer.json()
    return answer.status_code, {k: v for k, v in body.items() if k not in ("request_id", "instance")}, headers


async def test_unknown_wrong_stale_and_disabled_are_answered_alike(gateway: Any):
    body = b'{"id":"evt_1","type":"x"}'
    github, stripe = await make(gateway, "github"), await make(gateway, "stripe", secret=GIVEN)
    bare = await make(gateway, "slack")
    disabled = await make(gateway, "github", "off")
    assert (await gateway.http.patch(disabled["links"]["self"], json={"enabled": False})).status_code == 200
    removed = await make(gateway, "github", "gone")
    assert (await gateway.http.delete(removed["links"]["self"])).status_code == 204
    signed = webhooks.github(github["secret"], body)
    unknown = "/v1/hooks/in/" + "0" * 40
    cases = [
        (unknown, signed),
        (unknown, {"Content-Type": webhooks.JSON}),
        ("/v1/hooks/in/x", signed),
        ("/v1/hooks/in/" + "0" * 300, signed),
        (github["path"], {"Content-Type": webhooks.JSON}),
        (github["path"], {**signed, "X-Hub-Signature-256": "sha256=" + "0" * 64}),
        (stripe["path"], webhooks.stripe(GIVEN, body, at=time.time() - 4000)),
        (bare["path"], webhooks.slack(GIVEN, body, at=time.time())),
        (disabled["path"], webhooks.github(disabled["secret"], body)),
        (removed["path"], webhooks.github(removed["secret"], body)),
    ]
    seen = []
    async with sender(gateway) as stranger:
        for path, headers in cases:
            answer = await stranger.post(path, content=body, headers=headers)
            seen.append(likeness(answer))
        for path in (unknown, github["path"], disabled["path"]):
            seen.append(likeness(await stranger.get(path)))
    assert [each for each in seen if each != seen[0]] == []
    assert (seen[0][0], seen[0][1]["code"]) == (401, "hook_refused")
    assert await events(gateway) == []


async def test_of_many_requests_at_once_with_one_delivery_exactly_one_is_no_duplicate(gateway: Any):
    hook = await make(gateway, "github")
    body = json.dumps(PUSH).encode()
    headers = webhooks.github(hook["secret"], body, delivery="once")
    async with sender(gateway) as github:
        answers = await asyncio.gather(
            *(github.post(hook["path"], content=body, headers=headers) for _ in range(40))
        )
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False, *[True] * 39]
    assert len(await events(gateway)) == 1


async def test_by_its_content_a_captured_body_counts_once_under_any_id(gateway: Any):
    hook = await make(gateway, "github", settings={"once_by": "content"})
    body = json.dumps(PUSH).encode()
    async with sender(gateway) as github:
        for delivery, duplicate in (("a", False), ("b", True)):
            headers = webhooks.github(hook["secret"], body, delivery=delivery)
            answer = await github.post(hook["path"], content=body, headers=headers)
            assert answer.json()["duplicate"] is duplicate


async def test_both_secrets_are_valid_until_the_earlier_one_ends(gateway: Any):
    hook = await make(gateway, "github")
    rotated = (await gateway.http.post(hook["links"]["rotate"], json={"overlap_s": 3600})).json()
    assert rotated["secret"] not in (None, hook["secret"])
    body = json.dumps(PUSH).encode()

    async def status(secret: str) -> int:
        async with sender(gateway) as github:
            headers = webhooks.github(secret, body)
            return (await github.post(hook["path"], content=body, headers=headers)).status_code

    assert [await status(hook["secret"]), await status(rotated["secret"])] == [202, 202]
    last = (await gateway.http.post(hook["links"]["rotate"], json={"overlap_s": 0})).json()
    assert [await status(each) for each in (hook["secret"], rotated["secret"], last["secret"])] == [
        401,
        401,
        202,
    ]


async def test_a_hook_of_a_disabled_tenant_is_not_there(gateway: Any):
    hook = await make(gateway, "none")
    await overwrite(gateway.db, "tenants", {"id": "default"}, disabled_at=datetime.now(UTC))
    async with sender(gateway) as provider:
        assert (await provider.post(hook["path"], content=b"{}")).status_code == 401


async def test_an_event_that_somebody_posts_cannot_name_a_hook(gateway: Any):
    hook = await make(gateway, "github")
    forged = {
        "specversion": "1.0", "id": "1", "source": "/hooks/github", "type": "hook.github.push",
        "visapihook": hook["id"], "data": PUSH,
    }  # fmt: skip
    headers = {"content-type": "application/cloudevents+json"}
    refused = await gateway.http.post("/v1/events", json=forged, headers=headers)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/source")
    assert "/hooks/" in refused.json()["errors"][0]["detail"]
    other = {**forged, "source": "/shop"}
    assert (await gateway.http.post("/v1/events", json=other, headers=headers)).status_code == 202
    (event,) = await events(gateway)
    assert "visapihook" not in event
