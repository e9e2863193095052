"""Providers of webhooks, as their documentation describes them: requests that are signed by code of its own, which
shares nothing with what verifies them. Every function returns the headers of a request.

Sources: docs.github.com (validating webhook deliveries), docs.stripe.com (verify webhook signatures manually),
docs.slack.dev (verifying requests), shopify.dev (verify webhook deliveries), standardwebhooks.com (its own library),
developers.facebook.com (webhooks, validate payloads).
"""

import hashlib
import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from standardwebhooks import Webhook

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

Headers = dict[str, str]


def github(
    secret: str, body: bytes, *, event: str = "push", delivery: str | None = None, kind: str = JSON
) -> Headers:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": kind,
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid4()),
        "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": f"sha256={signature}",
    }


def stripe(secret: str, body: bytes, *, at: float, more: str = "") -> Headers:
    signed = str(int(at)).encode() + b"." + body
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    header = f"t={int(at)},v1={signature},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39{more}"
    return {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": header}


def slack(secret: str, body: bytes, *, at: float, kind: str = JSON) -> Headers:
    signed = f"v0:{int(at)}:".encode() + body
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {
        "Content-Type": kind,
        "X-Slack-Request-Timestamp": str(int(at)),
        "X-Slack-Signature": f"v0={signature}",
    }


def shopify(secret: str, body: bytes, *, topic: str = "orders/create", webhook: str | None = None) -> Headers:
    signature = b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": JSON,
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": signature,
        "X-Shopify-Shop-Domain": "acme.myshopify.com",
        "X-Shopify-Webhook-Id": webhook or str(uuid4()),
        "X-Shopify-Event-Id": str(uuid4()),
    }


def standard(secret: str, body: bytes, *, ident: str, at: float) -> Headers:
    signature = Webhook(secret).sign(ident, datetime.fromtimestamp(int(at), UTC), body.decode())
    return {
        "Content-Type": JSON,
        "webhook-id": ident,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": signature,
    }


def whatsapp(secret: str, body: bytes) -> Headers:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": JSON, "X-Hub-Signature-256": f"sha256={signature}"}


def generic(secret: str, body: bytes, *, at: float | None = None) -> Headers:
    """As `SCHEME` says."""
    signed = body if at is None else f"{int(at)}:".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha512).digest()
    headers = {"Content-Type": JSON, "X-Acme-Signature": "sig " + b64encode(digest).decode()}
    return headers if at is None else {**headers, "X-Acme-Time": str(int(at))}


SCHEME: dict[str, Any] = {
    "header": "X-Acme-Signature",
    "algorithm": "sha512",
    "encoding": "base64",
    "prefix": "sig ",
    "timestamp_header": "X-Acme-Time",
    "separator": ":",
}


def basic(credentials: str) -> Headers:
    return {"Content-Type": JSON, "Authorization": "Basic " + b64encode(credentials.encode()).decode()}


async def plant(client: httpx.AsyncClient, hidden: str) -> tuple[str, str, str, str, str]:
    """A hook with a delivery that says `hidden`: its path, the delivery's, and its address. And an endpoint with a
    message: their paths. And the account `theirs`, in its second version.
    """
    secret = hidden * 2
    wanted = {"name": "theirs", "provider": "github", "secret": secret}
    made = (await client.post("/v1/hooks", json=wanted)).raise_for_status().json()
    body = json.dumps({"text": hidden}).encode()
    (await client.post(made["path"], content=body, headers=github(secret, body))).raise_for_status()
    page = (await client.get(made["links"]["deliveries"])).raise_for_status().json()
    account = {
        "kind": "smtp",
        "settings": {"host": "mail.example.com", "from": f"{hidden}@example.com"},
        "credentials": {"username": hidden, "password": secret},
    }
    for _ in "12":
        (await client.put("/v1/accounts/theirs", json=account)).raise_for_status()
    wanted = {"name": "theirs", "url": f"https://example.com/{hidden}", "types": ["run.*"]}
    endpoint = (await client.post("/v1/endpoints", json=wanted)).raise_for_status().json()["links"]
    ping = (await client.post(endpoint["ping"])).raise_for_status().json()["links"]["self"]
    delivery = page["items"][0]["links"]["self"]
    return made["links"]["self"], delivery, made["path"].rpartition("/")[2], endpoint["self"], ping


def asks(
    hook: str, delivery: str, _: str, endpoint: str, message: str
) -> dict[str, tuple[str, Any, str, Any]]:
    """A request of each operation that makes something, and another one: paths and bodies."""
    new = {"name": "new", "url": "https://example.com/", "types": ["*"]}
    account, credentials = "/v1/accounts/theirs", {"username": "u", "password": "long-enough"}
    return {
        "rotateAccount": (
            f"{account}/rotate",
            {"credentials": credentials},
            f"{account}/rotate",
            {"credentials": credentials, "overlap_s": 5},
        ),
        "confirmAccount": (f"{account}/confirm", None, f"{account}/confirm", {}),
        "rollBackAccount": (f"{account}/rollback", {}, f"{account}/rollback", {"version": 2}),
        "makeEndpoint": ("/v1/endpoints", new, "/v1/endpoints", {**new, "ordered": True}),
        "rotateEndpointSecret": (f"{endpoint}/rotate", {}, f"{endpoint}/rotate", {"overlap_s": 5}),
        "pingEndpoint": (f"{endpoint}/ping", None, f"{endpoint}/ping", {}),
        "replayEndpointMessage": (f"{message}/replay", {}, f"{message}/replay", {"reason": "x"}),
        "makeHook": (
            "/v1/hooks",
            {"name": "new", "provider": "github"},
            "/v1/hooks",
            {"name": "new", "provider": "none"},
        ),
        "rotateHookSecret": (f"{hook}/rotate", {}, f"{hook}/rotate", {"overlap_s": 5}),
        "replayHookDelivery": (f"{delivery}/replay", {}, f"{delivery}/replay", {"reason": "x"}),
    }
