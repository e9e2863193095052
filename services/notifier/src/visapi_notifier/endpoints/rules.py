"""The rules of webhooks to endpoints: the request, what a response means, when the next attempt is. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from visapi_common.core.backoff import retry_after_s
from visapi_common.core.endpoint_types import webhook_body
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.core.redact import redact_text
from visapi_notifier.outbound.rules.standard_webhooks import signature

TIMEOUT_S = 15.0
LEASE_S = 30.0
"""After this a message that was claimed is claimed again: whoever claimed it is gone."""
AFTER_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Between ten attempts, as Standard Webhooks proposes: 75 hours and 35 minutes in all."""
JITTER = 0.1
RETRY_AFTER_MAX_S = 86_400.0
UNOPENED_S = 600.0
"""The wait while the secrets of an endpoint cannot be opened, which is the operator's to mend."""
RESPONSE_BYTES_MAX = 1024
"""Of a response, what the log of attempts keeps."""
_READ_BYTES_MAX = 64 * 1024
SLOW_S = 3.0
_ERROR_MAX = 500

WEBHOOK_FAILED = "webhook-failed"
"""The reason of the dead letter of a webhook that was given up."""

Outcome = Literal["delivered", "refused", "unreachable", "unopened"]


class DueEndpoint(msgspec.Struct, frozen=True):
    """An endpoint for which messages are due. `failing`: nothing was delivered since something failed."""

    tenant: str
    endpoint: UUID
    ordered: bool
    failing: bool


class ClaimedMessage(msgspec.Struct, frozen=True):
    """A message that this process alone may send until its lease ends. `left`: attempts after this one.
    `secrets` is None where they cannot be opened.
    """

    tenant: str
    endpoint: UUID
    id: UUID
    number: int
    left: int
    type: str
    at: datetime
    data: bytes
    size: int
    url: str
    secrets: Sequence[str] | None


class Attempt(msgspec.Struct, frozen=True):
    """How an attempt ended. `again_s`: seconds until the next one, None where there is none."""

    outcome: Outcome
    again_s: float | None = None
    status: int | None = None
    error: str | None = None
    response: bytes | None = None
    gone: bool = False
    """The receiver wants nothing more, ever."""


class GivenUp(msgspec.Struct, frozen=True):
    """A webhook that was given up became this dead letter."""

    letter: UUID
    tenant: str


def given_up_detail(message: ClaimedMessage, attempt: Attempt) -> str:
    """What a dead letter says of the last attempt."""
    said = f"the endpoint answered {attempt.status}" if attempt.status is not None else attempt.error
    return f"the webhook was given up after {message.number} attempts: {said}"


def request_of(message: ClaimedMessage, now: datetime) -> Outbound:
    """Signed now, with each valid secret. A redirect is not followed."""
    body, timestamp_s = webhook_body(message.type, message.at, message.data), int(now.timestamp())
    identifier = str(message.id)
    headers = [
        ("content-type", "application/json"),
        ("webhook-id", identifier),
        ("webhook-timestamp", str(timestamp_s)),
        ("webhook-signature", signature(message.secrets or (), identifier, timestamp_s, body)),
    ]
    return Outbound(
        "POST", message.url, headers, body, TIMEOUT_S, body_max_bytes=_READ_BYTES_MAX, repeatable=True
    )


def after_response(message: ClaimedMessage, inbound: Inbound, *, now: datetime, draw: float) -> Attempt:
    """2xx is delivered, 410 means never again, everything else is tried again."""
    shown = _shown(inbound.body)
    if 200 <= inbound.status < 300:
        return Attempt("delivered", status=inbound.status, response=shown)
    gone = inbound.status == 410
    again_s = None if gone else _again_s(message, draw, retry_after_s(inbound.header("retry-after"), now))
    return Attempt("refused", again_s, status=inbound.status, response=shown, gone=gone)


def after_failure(message: ClaimedMessage, error: str, *, draw: float) -> Attempt:
    """Nobody knows whether the receiver got it: it is sent again, under the same id."""
    said = redact_text(error.replace("\0", "")[:_ERROR_MAX])
    return Attempt("unreachable", _again_s(message, draw, None), error=said)


def unopened() -> Attempt:
    """Nothing was sent, and the attempt does not count: neither the receiver nor the tenant can mend it."""
    detail = "VisAPI cannot open the secrets of the endpoint; its operator has to put a sealing key back"
    return Attempt("unopened", UNOPENED_S, error=detail)


def _shown(body: bytes) -> bytes:
    """The start of a response, with what is secret or personal masked."""
    return redact_text(body[:RESPONSE_BYTES_MAX].decode("utf-8", "replace")).encode()


def _again_s(message: ClaimedMessage, draw: float, advice_s: float | None) -> float | None:
    if message.left <= 0:
        return None
    wait_s = AFTER_S[-message.left] if message.left <= len(AFTER_S) else AFTER_S[0]
    return max(wait_s * (1 + JITTER * draw), min(advice_s or 0.0, RETRY_AFTER_MAX_S))
