"""`http.request`: the specification's `call: http` (dsl-reference, HTTP Call).

Keyed when the method is idempotent (RFC 9110 section 9.2.2) or an `Idempotency-Key` is sent; safe
methods have no effect at all; everything else is *once*.
"""

import base64
from datetime import datetime
from enum import Enum
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec

from visapi_common.core.backoff import retry_after_s
from visapi_common.core.egress_policy import parse_url
from visapi_common.core.errors import ProblemError
from visapi_common.core.outbound import ClientCertificate, Inbound, Outbound
from visapi_notifier.credentials.rules.policies import Authentication, check_policy
from visapi_notifier.outbound.rules.content import Unusable, content_of, shown_body
from visapi_notifier.outbound.rules.http_headers import checked_headers
from visapi_notifier.outbound.rules.masking import NOTHING, Mask
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent, communication

BYTES_MAX = 10 * 1024 * 1024
TIMEOUT_S = 30.0
REDIRECTS_MAX = 5

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_IDEMPOTENT = frozenset({"PUT", "DELETE", "TRACE"}) | _SAFE
_METHODS = frozenset({"POST", "PATCH"}) | (_IDEMPOTENT - {"TRACE"})
_PRIVATE = ("authorization", "cookie", "token", "secret", "key", "signature", "password")


class Effect(Enum):
    """The effect of repeating a request."""

    NONE = "none"
    KEYED = "keyed"
    ONCE = "once"


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    uri: str
    authentication: Authentication | None = None


class HttpInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `with` of `call: http`."""

    method: str
    endpoint: str | Endpoint
    headers: dict[str, Any] | None = None
    query: dict[str, Any] | None = None
    body: Any = None
    output: Literal["content", "response", "raw"] = "content"
    redirect: bool = False


class HttpCall(msgspec.Struct, frozen=True):
    """A valid request, and everything needed to send it and to read its response."""

    outbound: Outbound
    effect: Effect
    policy: Authentication | None
    wanted: HttpInput
    """What was asked for, without what the request holds."""


def call_of(wanted: HttpInput) -> HttpCall:
    """Raises `ProblemError` or `EgressRefused` for a request that can never be sent."""
    policy = wanted.endpoint.authentication if isinstance(wanted.endpoint, Endpoint) else None
    outbound = build_request(wanted)
    return HttpCall(outbound, effect_of(wanted), policy, answer_wanted(wanted))


def answer_wanted(wanted: HttpInput) -> HttpInput:
    """The options that affect reading a response."""
    return HttpInput(wanted.method, "", output=wanted.output, redirect=wanted.redirect)


def effect_of(wanted: HttpInput) -> Effect:
    """The effect class of this request."""
    method = wanted.method.upper()
    if method in _SAFE:
        return Effect.NONE
    keyed = method in _IDEMPOTENT or any(
        name.lower() == "idempotency-key" and value is not None
        for name, value in (wanted.headers or {}).items()
    )
    return Effect.KEYED if keyed else Effect.ONCE


def build_request(wanted: HttpInput) -> Outbound:
    """The request. Raises `ProblemError` or `EgressRefused` for a request that can never be sent."""
    method = wanted.method.upper()
    if method not in _METHODS:
        raise ProblemError(
            "invalid_input", f"/method: {wanted.method!r} is not one of {', '.join(sorted(_METHODS))}"
        )
    endpoint = wanted.endpoint if isinstance(wanted.endpoint, Endpoint) else Endpoint(wanted.endpoint)
    check_policy(endpoint.authentication)
    url = _with_query(endpoint.uri, wanted.query or {})
    parse_url(url)
    headers = checked_headers(wanted.headers or {})
    given = {name.lower(): value for name, value in headers}
    body, media_type = _body(wanted.body, given.get("content-type"))
    if body is not None and len(body) > BYTES_MAX:
        raise ProblemError(
            "body_too_large",
            f"/body: {len(body)} bytes; at most {BYTES_MAX} can be sent",
            status=413,
        )
    if media_type and "content-type" not in given:
        headers.append(("content-type", media_type))
    if endpoint.authentication and "authorization" not in given:
        headers.extend(_credentials(endpoint.authentication))
    follow = REDIRECTS_MAX if wanted.redirect and method in _SAFE else 0
    once = effect_of(wanted) is Effect.ONCE
    return Outbound(
        method,
        url,
        headers,
        body,
        TIMEOUT_S,
        redirects=follow,
        fresh_connection=once,
        repeatable=not once,
        certificate=_certificate(endpoint.authentication, url),
    )


def _certificate(policy: Authentication | None, url: str) -> ClientCertificate | None:
    if policy is None or policy.certificate is None:
        return None
    if parse_url(url).scheme != "https":
        raise ProblemError(
            "invalid_input", "/endpoint: a client certificate is shown in TLS; use an https URL"
        )
    given = policy.certificate
    return ClientCertificate(given.certificate, given.key, given.password)


def read_response(
    wanted: HttpInput, outbound: Outbound, inbound: Inbound, *, now: datetime, mask: Mask = NOTHING
) -> Reading:
    """The output in the asked form; a status outside 2xx (or 3xx with `redirect`) is an error."""
    received = f"{outbound.method} {_bare(inbound.url)} answered {inbound.status}"
    if not 200 <= inbound.status < (400 if wanted.redirect else 300):
        advice = retry_after_s(inbound.header("retry-after"), now)
        error = communication(inbound.status, "HTTP error", received, shown_body(inbound, mask))
        return Refused(error, advice)
    if inbound.cut:
        return Refused(communication(502, "Unusable response", f"{received}, but {inbound.cut}"))
    if wanted.output == "raw":
        return Sent(base64.b64encode(mask.hide_bytes(inbound.body)).decode())
    try:
        content = content_of(inbound, mask)
    except Unusable as wrong:
        detail = f"{received}, but {wrong}"
        return Refused(communication(502, "Unusable response", detail, shown_body(inbound, mask)))
    return Sent(content if wanted.output == "content" else _response(outbound, inbound, content))


def unsent_output(wanted: HttpInput, outbound: Outbound) -> Any:
    """The output of a request with an effect in a test run, in the asked form; the request is not sent."""
    if wanted.output == "raw":
        return ""
    content = {"test": True}
    return content if wanted.output == "content" else _exchange(outbound, 200, {}, content)


def _response(outbound: Outbound, inbound: Inbound, content: Any) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    for name, value in inbound.headers:
        key = name.lower()
        if key == "set-cookie":
            headers.setdefault(key, []).append(value)
        else:
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return _exchange(outbound, inbound.status, headers, content)


def _exchange(outbound: Outbound, status: int, headers: dict[str, Any], content: Any) -> dict[str, Any]:
    """The specification's HTTP Response; request headers that may carry a credential are left out."""
    shown = {
        name: value for name, value in outbound.headers if not any(word in name.lower() for word in _PRIVATE)
    }
    return {
        "request": {"method": outbound.method, "uri": outbound.url, "headers": shown},
        "statusCode": status,
        "headers": headers,
        "content": content,
    }


def _body(value: Any, media_type: str | None) -> tuple[bytes | None, str | None]:
    if value is None:
        return None, None
    if isinstance(value, str):
        return value.encode(), "text/plain; charset=utf-8"
    bare = (media_type or "application/json").split(";", 1)[0].strip().lower()
    if bare == "application/x-www-form-urlencoded" and isinstance(value, dict):
        return urlencode(_pairs(value), doseq=True).encode(), media_type  # pyright: ignore[reportUnknownArgumentType]
    if bare == "application/json" or bare.endswith("+json"):
        return msgspec.json.encode(value), "application/json"
    raise ProblemError("invalid_input", f"/body: to send {bare}, give the body as text")


def _with_query(uri: str, query: dict[str, Any]) -> str:
    if not query:
        return uri
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise ProblemError("invalid_input", "/endpoint: the URL cannot be read; check its host") from None
    added = urlencode(_pairs(query), doseq=True)
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))


def _pairs(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [_text(item) for item in _items(value) if item is not None]
        for name, value in values.items()
        if value is not None
    }


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _credentials(authentication: Authentication) -> list[tuple[str, str]]:
    if authentication.basic:
        pair = f"{authentication.basic.username}:{authentication.basic.password}".encode()
        return [("authorization", "Basic " + base64.b64encode(pair).decode())]
    if authentication.bearer:
        return checked_headers({"authorization": f"Bearer {authentication.bearer.token}"})
    return []


def _bare(url: str) -> str:
    return url.split("?", 1)[0]
