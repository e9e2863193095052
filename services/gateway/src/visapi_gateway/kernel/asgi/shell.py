"""The ASGI shell around the application. Every request passes it, including unmatched paths and bugs.

The shell gives each request an id and a span, enforces limits on heads and bodies, adds the security headers,
records metrics, writes the access log, and refuses requests while there are too many.
"""

import re
import time
from collections.abc import Callable
from typing import Any, Protocol

from visapi_common.core.errors import ProblemError
from visapi_common.telemetry import propagation
from visapi_common.telemetry.instruments import exemplar_of
from visapi_common.telemetry.spans import Spans
from visapi_gateway.kernel.asgi.bodies import (
    BODY_LIMIT,
    ClientDisconnected,
    RequestBody,
    ResponseWriter,
    too_large,
)
from visapi_gateway.kernel.asgi.capacity import Capacity, RequestSlot
from visapi_gateway.kernel.asgi.client_address import group
from visapi_gateway.kernel.asgi.connection import CONNECTION
from visapi_gateway.kernel.asgi.http import (
    REQUEST_CONTEXT,
    Asgi,
    EmptyResponse,
    Header,
    Receive,
    RequestContext,
    Scope,
    Send,
    problem_response,
)
from visapi_gateway.kernel.asgi.paths import Paths

HEADERS_LIMIT = 32 * 1024
HEADERS_COUNT = 100
PATH_LIMIT = 4096

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")


class AccessLog(Protocol):
    def line(self, context: RequestContext, method: str, status: int, seconds: float) -> None: ...


class Shell:
    """Wraps `app`. `new_id` makes request ids."""

    def __init__(
        self,
        app: Asgi,
        *,
        paths: Paths,
        spans: Spans,
        log: AccessLog,
        capacity: Capacity,
        new_id: Callable[[], str],
    ) -> None:
        self._app = app
        self._paths = paths
        self._spans = spans
        self._log = log
        self._new_id = new_id
        self._capacity = capacity
        self._in_flight = 0
        self._metrics = capacity.metrics
        self._metrics.http_in_flight.set_function(lambda: self._in_flight)
        self._timers: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server is configured for HTTP only"
        began = time.perf_counter()
        headers: list[Header] = scope["headers"]
        method: str = scope["method"]
        span = self._spans.open("http.request", kind="server", parent=_traceparent(headers))
        client: tuple[str, int] | None = scope.get("client")
        address, known = self._capacity.addresses.find(client[0] if client else "", headers)
        slot = RequestSlot(self._capacity, group(address), scope.get(CONNECTION))
        context = RequestContext(_request_id(headers) or self._new_id(), span.traceparent, slot)
        context.address = address if known else ""
        scope[REQUEST_CONTEXT] = context
        path = scope["path"][:PATH_LIMIT]
        response = ResponseWriter(send, context, self._capacity, path=path, close=self._capacity.draining())
        self._in_flight += 1
        try:
            with propagation.under(span.traceparent):
                await self._serve(scope, headers, receive, response)
        except ClientDisconnected:
            context.problem = context.problem or "peer_gone"
        finally:
            slot.leave()
            self._in_flight -= 1
            seconds = (response.started or time.perf_counter()) - began
            self._record(context, method, response.status, seconds)
            span.set("http.route", context.route)
            span.set("http.status", response.status)
            if response.status >= 500:
                span.fail(context.problem or "error")
            span.end()

    async def _serve(
        self, scope: Scope, headers: list[Header], receive: Receive, response: ResponseWriter
    ) -> None:
        try:
            has_body = _check(scope, headers)
            methods = self._paths.check(scope["method"], scope["path"], scope["raw_path"])
        except ProblemError as problem:
            await problem_response(problem, scope[REQUEST_CONTEXT], scope["path"][:PATH_LIMIT])(
                scope, receive, response
            )
            return
        if methods is not None:
            await EmptyResponse(204, [(b"allow", ", ".join(methods).encode())])(scope, receive, response)
            return
        if not has_body:
            await self._app(scope, receive, response)
            return
        body = RequestBody(receive, scope[REQUEST_CONTEXT], self._capacity)
        try:
            await self._app(scope, body, response)
        finally:
            body.close()

    def _record(self, context: RequestContext, method: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "_OTHER"
        timer = self._timers.get((known, context.route, status))
        if timer is None:
            timer = self._metrics.http_request_seconds.labels(known, context.route, str(status))
            self._timers[known, context.route, status] = timer
        timer.observe(seconds, exemplar_of(context.traceparent))
        self._log.line(context, method, status, seconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def _check(scope: Scope, headers: list[Header]) -> bool:
    """Whether a body follows. Raises `ProblemError` for requests that no operation should see."""
    if len(scope["raw_path"]) > PATH_LIMIT:
        raise ProblemError("uri_too_long", f"the path has more than {PATH_LIMIT} bytes", status=414)
    if "\0" in scope["path"]:
        raise ProblemError("bad_request", "the path holds the character U+0000", status=400)
    if len(headers) > HEADERS_COUNT or sum(len(name) + len(value) for name, value in headers) > HEADERS_LIMIT:
        detail = f"at most {HEADERS_COUNT} headers of {HEADERS_LIMIT} bytes together are read; send fewer"
        raise ProblemError("headers_too_large", detail, status=431)
    has_body, hosts = False, 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            has_body = value != b"0"
            if not value.isdigit() or int(value) > BODY_LIMIT:
                raise too_large()
        elif name == b"transfer-encoding":
            has_body = True
        elif name == b"content-encoding" and value.lower() != b"identity":
            detail = "compressed bodies are not read; send the body without Content-Encoding"
            raise ProblemError("unsupported_media_type", detail, status=415)
    _check_host(scope["http_version"], hosts)
    return has_body


def _check_host(version: str, hosts: int) -> None:
    """An HTTP/1.1 request has exactly one `Host` (RFC 9112, 3.2): with two, a proxy might read one and this
    server the other. Raises `ProblemError` 400.
    """
    if version not in ("1.0", "1.1"):
        raise ProblemError("bad_request", "this server speaks HTTP/1.1 and HTTP/1.0", status=400)
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise ProblemError("bad_request", f"a request has one Host header, not {hosts}", status=400)


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
