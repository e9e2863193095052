"""`notify.webhook`: a signed POST as Standard Webhooks 1.0 specifies. Keyed by its `webhook-id`."""

from datetime import datetime
from typing import Any

import msgspec

from visapi_common.core.backoff import retry_after_s
from visapi_common.core.egress_policy import parse_url
from visapi_common.core.errors import ProblemError
from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.outbound.rules.http_headers import checked_headers
from visapi_notifier.outbound.rules.masking import NOTHING, Mask
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent, communication
from visapi_notifier.outbound.rules.standard_webhooks import key_of, signature

BYTES_MAX = 1024 * 1024
TIMEOUT_S = 30.0
SECRETS_MAX = 10
"""Secrets that sign one webhook: a rotation needs two."""
ANSWER_MAX_BYTES = 64 * 1024
SHOWN_CHARACTERS = 1024
"""The part of a refusal's body that the workflow sees."""


class WebhookInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook to post. Several secrets sign during a rotation."""

    url: str
    payload: Any = None
    headers: dict[str, Any] | None = None
    secret: str | list[str] | None = None


class WebhookCall(msgspec.Struct, frozen=True):
    """A webhook that can be sent; signing it takes time that is bounded by the size of the body."""

    url: str
    body: bytes
    headers: list[tuple[str, str]]
    secrets: list[str]


def call_of(wanted: WebhookInput) -> WebhookCall:
    """Raises `ProblemError` or `EgressRefused` for a request that can never be sent."""
    parse_url(wanted.url)
    body = msgspec.json.encode(wanted.payload)
    if len(body) > BYTES_MAX:
        raise ProblemError(
            "payload_too_large",
            f"/payload: {len(body)} bytes of JSON, at most {BYTES_MAX} can be posted",
            status=413,
        )
    secrets = [wanted.secret] if isinstance(wanted.secret, str) else wanted.secret or []
    if len(secrets) > SECRETS_MAX:
        raise ProblemError("invalid_secret", f"/secret: at most {SECRETS_MAX} secrets can sign")
    for secret in secrets:
        key_of(secret)
    return WebhookCall(wanted.url, body, checked_headers(wanted.headers or {}, reserved="webhook-"), secrets)


def build_request(call: WebhookCall, *, effect_key: str, now: datetime) -> Outbound:
    """The request, signed now."""
    timestamp_s = int(now.timestamp())
    headers = [
        ("content-type", "application/json"),
        ("webhook-id", effect_key),
        ("webhook-timestamp", str(timestamp_s)),
    ]
    if call.secrets:
        headers.append(("webhook-signature", signature(call.secrets, effect_key, timestamp_s, call.body)))
    own = {name.lower() for name, _ in call.headers}
    headers = [pair for pair in headers if pair[0] not in own] + call.headers
    return Outbound(
        "POST", call.url, headers, call.body, TIMEOUT_S, body_max_bytes=ANSWER_MAX_BYTES, repeatable=True
    )


def read_response(inbound: Inbound, *, effect_key: str, now: datetime, mask: Mask = NOTHING) -> Reading:
    """2xx is delivered; a redirect is a failure, as Standard Webhooks says; 410 means "stop"."""
    if 200 <= inbound.status < 300:
        return Sent({"id": effect_key, "status": inbound.status})
    advice = retry_after_s(inbound.header("retry-after"), now)
    title = "Endpoint gone" if inbound.status == 410 else "Webhook refused"
    detail = f"the receiver answered {inbound.status}; 2xx is delivered, everything else is not"
    data: dict[str, Any] = {"body": mask.cut(inbound.body.decode("utf-8", "replace"), SHOWN_CHARACTERS)}
    if advice is not None:
        data["retry_after_s"] = advice
    return Refused(communication(inbound.status, title, detail, data), advice)
