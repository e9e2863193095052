"""A span for each request, in a process that uses OpenTelemetry; its context travels as `traceparent`.

Nothing is imported here: a process whose application has not imported OpenTelemetry has no span to continue.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import httpx

from visapi.client.call import Call

_API = "opentelemetry.trace"
_W3C = "opentelemetry.trace.propagation.tracecontext"


class RequestSpan:
    """A client span under the caller's current one, with the names of the semantic conventions of HTTP.
    `headers` are those of the call, and of the span's context.
    """

    def __init__(self, call: Call[Any], url: str) -> None:
        self.headers = dict(call.headers)
        self._span: Any = None
        self._error: Any = None
        api: Any = sys.modules.get(_API)
        if api is None:
            return
        try:
            get_tracer, kind, in_context = api.get_tracer, api.SpanKind.CLIENT, api.set_span_in_context
            self._error = api.StatusCode.ERROR
        except AttributeError:  # another thread is still importing OpenTelemetry
            return
        self._begin(call, url, get_tracer("visapi.client"), kind, in_context)

    def _begin(
        self, call: Call[Any], url: str, tracer: Any, kind: Any, in_context: Callable[[Any], Any]
    ) -> None:
        place = urlsplit(url)
        public = urlunsplit(place._replace(netloc=place.netloc.rpartition("@")[2]))
        attributes = {
            "http.request.method": call.method,
            "url.full": f"{public}{call.path}",
            "server.address": place.hostname or "",
            "server.port": place.port or (443 if place.scheme == "https" else 80),
        }
        propagator = import_module(_W3C).TraceContextTextMapPropagator()
        self._span = tracer.start_span(call.method, kind=kind, attributes=attributes)
        propagator.inject(self.headers, in_context(self._span))

    def __enter__(self) -> Self:
        return self

    def answered(self, status: int) -> None:
        """The gateway has answered with this status."""
        if self._span is None:
            return
        self._span.set_attribute("http.response.status_code", status)
        if status >= 400:
            self._failed(str(status))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._span is None:
            return
        if isinstance(error, httpx.TransportError):
            self._failed(type(error).__qualname__)
        self._span.end()

    def _failed(self, word: str) -> None:
        self._span.set_attribute("error.type", word)
        self._span.set_status(self._error)
