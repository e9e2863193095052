"""`notify.slack`: an incoming webhook, or `chat.postMessage`. Slack knows no key: effect class *once*."""

from datetime import datetime
from typing import Any

import msgspec

from visapi_common.contracts.accounts import AccountName
from visapi_common.contracts.foreign import VALUE_DEPTH_MAX, Reader, Unreadable
from visapi_common.core.backoff import retry_after_s
from visapi_common.core.egress_policy import parse_url
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.accounts.rules import CredentialsRefused
from visapi_notifier.outbound.rules.masking import NOTHING, Mask
from visapi_notifier.outbound.rules.reading import (
    Reading,
    Refused,
    Sent,
    Unclear,
    communication,
)

BYTES_MAX = 100_000
BLOCKS_MAX = 50
TEXT_MAX = 40_000
WORD_MAX = 80
TIMEOUT_S = 30.0
WORD_MAX_BYTES = 16 * 1024
ANSWER_MAX_BYTES = 1024 * 1024
"""Of the Web API, which repeats the message; a webhook answers one word."""
DEFAULT_RETRY_AFTER_S = 1.0
"""Slack allows about one message per second and channel."""

_UNCLEAR = frozenset({"fatal_error", "internal_error", "request_timeout"})
"""Errors for which Slack documents that a part of the work may have been done."""
_STATUS_BY_ERROR = {
    "ratelimited": 429,
    "rate_limited": 429,
    "invalid_auth": 401,
    "not_authed": 401,
    "token_revoked": 401,
    "token_expired": 401,
    "account_inactive": 401,
    "missing_scope": 403,
    "not_in_channel": 403,
    "restricted_action": 403,
    "channel_not_found": 404,
    "service_unavailable": 503,
}


class SlackInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either a channel (posted with the token of `account`, of the tenant's default account, or of the
    operator) or the URL of an incoming webhook.
    """

    channel: str | None = None
    webhook: str | None = None
    text: str | None = None
    blocks: list[dict[str, Any]] | None = None
    account: AccountName | None = None


def build_request(wanted: SlackInput, *, base_url: str, token: str | None) -> Outbound:
    """The request. Raises `ProblemError` for a message that Slack can never take."""
    body = _message(checked(wanted))
    headers = [("content-type", "application/json; charset=utf-8")]
    if wanted.webhook is not None:
        return Outbound(
            "POST",
            wanted.webhook,
            headers,
            body,
            TIMEOUT_S,
            fresh_connection=True,
            body_max_bytes=WORD_MAX_BYTES,
        )
    if token is None:
        raise ProblemError(
            "slack_not_configured",
            "no Slack token: store an account of kind slack, set VISAPI_SLACK_TOKEN, or use a webhook",
        )
    headers.append(("authorization", f"Bearer {token}"))
    url = base_url.rstrip("/") + "/chat.postMessage"
    return Outbound(
        "POST", url, headers, body, TIMEOUT_S, fresh_connection=True, body_max_bytes=ANSWER_MAX_BYTES
    )


def read_response(wanted: SlackInput, inbound: Inbound, *, now: datetime, mask: Mask = NOTHING) -> Reading:
    """Web API errors come as HTTP 200 with `ok: false`; webhook errors as a word in plain text."""
    if inbound.status == 429:
        advice = retry_after_s(inbound.header("retry-after"), now) or DEFAULT_RETRY_AFTER_S
        return Refused(_error("ratelimited", 429), advice)
    if inbound.status >= 500 and inbound.status != 503:
        return Unclear(f"Slack answered {inbound.status}; the message may have been posted")
    if wanted.webhook is not None:
        if inbound.status == 200:
            return Sent({"via": "webhook"})
        word = mask.cut(inbound.body.decode("utf-8", "replace"), WORD_MAX)
        return Refused(_error(word, inbound.status))
    return _read_web_api(inbound, mask)


def build_auth_test(base_url: str, token: str, timeout_s: float) -> Outbound:
    """The request that asks Slack whose a token is; it changes nothing."""
    url = base_url.rstrip("/") + "/auth.test"
    headers = [("authorization", f"Bearer {token}")]
    return Outbound("POST", url, headers, b"", timeout_s, body_max_bytes=WORD_MAX_BYTES, repeatable=True)


def read_auth_test(inbound: Inbound) -> str:
    """Whose the token is. Raises `CredentialsRefused` for a token that Slack does not take, and
    `TransientFault` for an answer that says nothing about the token.
    """
    answer = _read(inbound.body)
    if isinstance(answer, Unreadable):
        raise TransientFault(f"Slack answered {inbound.status}, and nothing about the token")
    if answer.ok:
        return f"Slack accepted the token of {answer.user or 'a bot'} in {answer.team or 'a workspace'}"
    if _STATUS_BY_ERROR.get(answer.error) == _STATUS_BY_ERROR["invalid_auth"]:
        raise CredentialsRefused(f"Slack refused the token: {answer.error}")
    raise TransientFault(f"Slack answered {answer.error}, and nothing about the token")


def is_token_refused(reading: Reading) -> bool:
    """Whether Slack refused the token, so that nothing was posted."""
    return isinstance(reading, Refused) and reading.error.status == _STATUS_BY_ERROR["invalid_auth"]


def _read_web_api(inbound: Inbound, mask: Mask) -> Reading:
    answer = _read(inbound.body)
    if isinstance(answer, Unreadable):
        if 200 <= inbound.status < 300:
            return Unclear("Slack's answer cannot be read; the message may have been posted")
        return Refused(_error("unreadable_answer", inbound.status))
    if answer.ok:
        return Sent({"via": "chat.postMessage", "channel": answer.channel, "ts": answer.ts})
    if answer.error in _UNCLEAR:
        return Unclear(f"Slack answered {answer.error}; the message may have been posted")
    word = mask.cut(answer.error, WORD_MAX)
    status = _STATUS_BY_ERROR.get(answer.error, 400 if inbound.status == 200 else inbound.status)
    return Refused(_error(word, status), DEFAULT_RETRY_AFTER_S if status == 429 else None)


class _Answer(msgspec.Struct):
    ok: bool
    error: str = ""
    channel: str | None = None
    ts: str | None = None
    user: str | None = None
    team: str | None = None


_read = Reader(_Answer, depth_max=VALUE_DEPTH_MAX, bytes_max=ANSWER_MAX_BYTES, nul=True)


def _error(word: str, status: int) -> Any:
    return communication(status, "Slack refused", f"Slack answered: {word}", {"error": word})


def checked(wanted: SlackInput) -> SlackInput:
    """The input itself, once it is known to be of a size that Slack takes. Raises `ProblemError`."""
    if (wanted.channel is None) == (wanted.webhook is None):
        raise ProblemError("invalid_input", "give either /channel or /webhook, and not both")
    if wanted.account is not None and wanted.webhook is not None:
        raise ProblemError("invalid_input", "a /webhook needs no /account; give a /channel instead")
    if not wanted.text and not wanted.blocks:
        raise ProblemError("invalid_input", "/text or /blocks is needed; a message must say something")
    if len(wanted.blocks or ()) > BLOCKS_MAX:
        raise ProblemError("invalid_input", f"/blocks: at most {BLOCKS_MAX} blocks fit in a message")
    if len(wanted.text or "") > TEXT_MAX:
        raise ProblemError("invalid_input", f"/text: at most {TEXT_MAX} characters fit in a message")
    size = len(_message(wanted))
    if size > BYTES_MAX:
        raise ProblemError(
            "message_too_large", f"the message has {size} bytes, Slack takes 100000", status=413
        )
    if wanted.webhook is not None:
        parse_url(wanted.webhook)
    return wanted


def _message(wanted: SlackInput) -> bytes:
    message = {"text": wanted.text, "blocks": wanted.blocks, "channel": wanted.channel}
    return msgspec.json.encode({name: value for name, value in message.items() if value is not None})
