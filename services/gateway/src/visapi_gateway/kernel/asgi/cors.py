"""Cross-origin requests of browsers (the Fetch standard, CORS), where the operator names origins.

An origin is admitted when it equals one of the setting, never by a pattern, and never with credentials: a
page sends its API key in a header, and no cookie of a browser means anything to the gateway.
"""

from collections.abc import Iterable, Sequence

from visapi_gateway.kernel.asgi.http import Asgi, Header, Message, Receive, Scope, Send

CROSS_ORIGIN_PATHS = ("/v1/", "/openapi.json")
"""The paths that pages of other origins may read."""
_VARY: Header = (b"vary", b"origin")
_SHOWN = (
    b"ETag, Location, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, Idempotent-Replayed, "
    b"Preference-Applied, Deprecation, Sunset, Link, Accept-Ranges, Content-Range, Content-Disposition"
)
_TAKEN = (
    b"Authorization, X-API-Key, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Range, "
    b"Last-Event-ID, Prefer, X-Request-Id, traceparent, tracestate"
)


class CrossOrigin:
    """Wraps the shell, so that pages of `origins` may read its answers, whatever their outcome."""

    def __init__(self, app: Asgi, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(CROSS_ORIGIN_PATHS):
            await self._app(scope, receive, send)
            return
        added = self.headers(scope["headers"])
        asks = _asks(scope["method"], scope["headers"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own: list[Header] = [*message["headers"], *added]
                if asks and len(added) > 1:
                    own += _preflight(own)
                message["headers"] = own
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def headers(self, given: Sequence[Header]) -> list[Header]:
        """The headers that an answer to a request with these headers gets."""
        named = [value for name, value in given if name == b"origin"]
        if len(named) != 1 or named[0] not in self._origins:
            return [_VARY]
        return [_VARY, (b"access-control-allow-origin", named[0]), (b"access-control-expose-headers", _SHOWN)]


def _asks(method: str, given: Sequence[Header]) -> bool:
    """Whether a browser asks what it may send."""
    return method == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in given)


def _preflight(answer: Sequence[Header]) -> list[Header]:
    """What a browser may send, by the methods in `Allow`; nothing to a path that does not exist."""
    methods = next((value for name, value in answer if name == b"allow"), None)
    if methods is None:
        return []
    return [
        (b"access-control-allow-methods", methods),
        (b"access-control-allow-headers", _TAKEN),
        (b"access-control-max-age", b"600"),
    ]
