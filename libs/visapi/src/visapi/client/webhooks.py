"""Signatures of webhooks (Standard Webhooks): verifies those that VisAPI sends. Pure but for the clock.

webhook = verify(request.body, request.headers, [os.environ["WEBHOOK_SECRET"]])
"""

import base64
import binascii
import hmac
import secrets as random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from visapi_common.contracts.foreign import Unreadable, read_as

TOLERANCE_S = 300
_PREFIX = "whsec_"


class WebhookError(Exception):
    """The webhook is not genuine, or too old; the message says why. Answer with 401."""


class Webhook(msgspec.Struct, frozen=True):
    """What a webhook tells. A webhook may come twice: `id` is the same then."""

    id: str
    type: str
    timestamp: str
    data: Any


class _Body(msgspec.Struct, frozen=True):
    type: str
    timestamp: str
    data: Any = None


def verify(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[str], *, now: float | None = None
) -> Webhook:
    """The webhook, when one of the secrets has signed it. `body` is byte for byte what came, and names of
    headers may be in any case. Raises `WebhookError`.
    """
    given = {name.lower(): value for name, value in headers.items()}
    identity, moment = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 12):
        raise WebhookError("the header webhook-timestamp is missing or wrong")
    if abs((time.time() if now is None else now) - int(moment)) > TOLERANCE_S:
        raise WebhookError("the webhook was signed more than five minutes ago, or the clock is wrong")
    signatures = given.get("webhook-signature", "").encode("utf-8", "replace").split(b" ")
    genuine = [sign(body, identity, int(moment), secret).encode() for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in genuine for other in signatures):
        raise WebhookError("no signature is right")
    content = read_as(_Body, body)
    if isinstance(content, Unreadable):
        raise WebhookError(f"the body is no webhook: {content.reason}")
    return Webhook(identity, content.type, content.timestamp, content.data)


def new_secret() -> str:
    """A secret of 24 random bytes."""
    return _PREFIX + base64.b64encode(random.token_bytes(24)).decode()


def sign(body: bytes, identity: str, moment: int, secret: str) -> str:
    """The signature of one attempt; `moment` is in seconds since 1970. Raises `ValueError` for a secret that
    is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as wrong:
        raise ValueError("a secret is whsec_ and base64") from wrong
    digest = hmac.digest(key, f"{identity}.{moment}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()
