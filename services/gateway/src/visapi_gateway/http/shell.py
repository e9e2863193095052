"""The ASGI shell around the application. Everything passes it, unmatched paths and bugs included.

It gives each request an id and a span, keeps heads and bodies within their limits, adds the security
headers, measures, writes the access log, and turns requests away while there are too many.
"""

import re
import time
from asyncio import timeout
from collections.abc import Callable
from typing import Any, Protocol

from visapi_common.core.errors import ProblemError
from visapi_common.telemetry import propagation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.spans import Spans
from visapi_gateway.http.exchange import (
    EXCHANGE,
    Asgi,
    Exchange,
    Header,
    Message,
    Receive,
    Scope,
    Send,
    problem_reply,
)

BODY_LIMIT = 1024 * 1024
HEADERS_LIMIT = 32 * 1024
HEADERS_COUNT = 100
PATH_LIMIT = 4096
BODY_TIMEOUT_S = 30.0
"""How long one part of a body may take to come."""
IN_FLIGHT_LIMIT = 4096

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)
_POLICY: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE: Header = (b"cache-control", b"no-store")


class AccessLog(Protocol):
    def line(self, exchange: Exchange, method: str, status: int, seconds: float) -> None: ...


class Shell:
    """Wraps `app`. `new_id` makes request ids; `draining` tells whether connections should end."""

    def __init__(
        self,
        app: Asgi,
        *,
        metrics: Metrics,
        spans: Spans,
        log: AccessLog,
        new_id: Callable[[], str],
        draining: Callable[[], bool],
    ) -> None:
        self._app = app
        self._spans = spans
        self._log = log
        self._new_id = new_id
        self._draining = draining
        self._in_flight = 0
        self._metrics = metrics
        self._counters: dict[tuple[str, str, int], Any] = {}
        self._timers: dict[tuple[str, str], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server is told to speak HTTP only"
        began = time.perf_counter()
        headers: list[Header] = scope["headers"]
        method: str = scope["method"]
        span = self._spans.open("http.request", kind="server", parent=_traceparent(headers))
        exchange = Exchange(_request_id(headers) or self._new_id(), span.traceparent)
        scope[EXCHANGE] = exchange
        answer = _Outgoing(send, exchange, close=self._draining())
        self._in_flight += 1
        self._metrics.http_in_flight.set(self._in_flight)
        try:
            with propagation.under(span.traceparent):
                await self._serve(scope, headers, receive, answer)
        finally:
            self._in_flight -= 1
            seconds = (answer.started or time.perf_counter()) - began
            self._record(exchange, method, answer.status, seconds)
            span.set("http.route", exchange.route)
            span.set("http.status", answer.status)
            if answer.status >= 500:
                span.fail(exchange.problem or "error")
            span.end()

    async def _serve(
        self, scope: Scope, headers: list[Header], receive: Receive, answer: "_Outgoing"
    ) -> None:
        try:
            has_body = self._check(scope, headers)
        except ProblemError as problem:
            await problem_reply(problem, scope[EXCHANGE], scope["path"][:PATH_LIMIT])(scope, receive, answer)
            return
        await self._app(scope, _Incoming(receive) if has_body else receive, answer)

    def _check(self, scope: Scope, headers: list[Header]) -> bool:
        """Whether a body follows. Raises `ProblemError` for what no operation should see."""
        if self._in_flight > IN_FLIGHT_LIMIT:
            detail = "too many requests are being served; send it again later"
            raise ProblemError("unavailable", detail, status=503, headers={"Retry-After": "1"})
        if len(scope["raw_path"]) > PATH_LIMIT:
            raise ProblemError("uri_too_long", f"the path has more than {PATH_LIMIT} bytes", status=414)
        if "\0" in scope["path"]:
            raise ProblemError("bad_request", "the path holds the character U+0000", status=400)
        if (
            len(headers) > HEADERS_COUNT
            or sum(len(name) + len(value) for name, value in headers) > HEADERS_LIMIT
        ):
            detail = f"at most {HEADERS_COUNT} headers of {HEADERS_LIMIT} bytes together are read; send fewer"
            raise ProblemError("headers_too_large", detail, status=431)
        has_body = False
        for name, value in headers:
            if name == b"content-length":
                has_body = value != b"0"
                if not value.isdigit() or int(value) > BODY_LIMIT:
                    raise _too_large()
            elif name == b"transfer-encoding":
                has_body = True
            elif name == b"content-encoding" and value.lower() != b"identity":
                detail = "compressed bodies are not read; send the body without Content-Encoding"
                raise ProblemError("unsupported_media_type", detail, status=415)
        return has_body

    def _record(self, exchange: Exchange, method: str, status: int, seconds: float) -> None:
        counter = self._counters.get((method, exchange.route, status))
        if counter is None:
            known = method if method in _METHODS else "other"
            counter = self._metrics.http_requests.labels(known, exchange.route, str(status))
            self._counters[method, exchange.route, status] = counter
        counter.inc()
        timer = self._timers.get((method, exchange.route))
        if timer is None:
            known = method if method in _METHODS else "other"
            timer = self._metrics.http_request_seconds.labels(known, exchange.route)
            self._timers[method, exchange.route] = timer
        timer.observe(seconds)
        self._metrics.http_in_flight.set(self._in_flight)
        self._log.line(exchange, method, status, seconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class _Incoming:
    """A body that is cut off at its limit and may not dawdle."""

    __slots__ = ("_receive", "_size")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0

    async def __call__(self) -> Message:
        try:
            async with timeout(BODY_TIMEOUT_S):
                message = await self._receive()
        except TimeoutError:
            detail = f"nothing of the body came for {BODY_TIMEOUT_S:.0f} s"
            raise ProblemError(
                "request_timeout", detail, status=408, headers={"Connection": "close"}
            ) from None
        self._size += len(message.get("body", b""))
        if self._size > BODY_LIMIT:
            raise _too_large()
        return message


class _Outgoing:
    """Adds to the head of the answer what every answer has."""

    __slots__ = ("_close", "_exchange", "_send", "started", "status")

    def __init__(self, send: Send, exchange: Exchange, *, close: bool) -> None:
        self._send = send
        self._exchange = exchange
        self._close = close
        self.status = 500
        self.started: float | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = time.perf_counter()
            self.status = message["status"]
            message["headers"] = self._headers(message.get("headers", ()))
        await self._send(message)

    def _headers(self, own: Any) -> list[Header]:
        exchange = self._exchange
        headers: list[Header] = [
            *own,
            (b"x-request-id", exchange.request_id.encode()),
            *exchange.extra,
            *_SECURITY,
        ]
        names = {name for name, _ in headers}
        if b"cache-control" not in names:
            headers.append(_NO_STORE)
        if b"content-security-policy" not in names:
            headers.append(_POLICY)
        if self._close and b"connection" not in names:
            headers.append((b"connection", b"close"))
        return headers


def _too_large() -> ProblemError:
    detail = f"a body has at most {BODY_LIMIT} bytes; send a reference to larger data"
    return ProblemError("payload_too_large", detail, status=413)


def _request_id(headers: list[Header]) -> str | None:
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return None


def _traceparent(headers: list[Header]) -> str | None:
    for name, value in headers:
        if name == b"traceparent":
            text = value.decode("latin-1")
            return text if propagation.is_valid(text) else None
    return None
