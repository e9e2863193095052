"""One connection of the server, with limits on its bytes and its time.

uvicorn limits neither the size of a request head nor the time that heads, unwanted bodies and unread
responses take. It answers a malformed request in plain text, and does not tell a pipelined request that its
client is gone.
"""

from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from visapi_common.contracts.problems import Problem
from visapi_gateway.kernel.asgi.client_address import ClientAddresses, group
from visapi_gateway.kernel.asgi.connections import Connections
from visapi_gateway.kernel.problems import KINDS, type_of

CONNECTION = "visapi.connection"
"""The key of the connection in the ASGI scope."""
HEAD_LIMIT = 64 * 1024
LINGER_S = 1.0
DISCARD_LIMIT = 16 * 1024 * 1024
"""The most bytes of unwanted bodies that one connection may send."""
DISCARD_S = 5.0
"""The time for the rest of a body whose request was already answered."""
PIPELINE_MAX = 32


class BoundedProtocol(HttpToolsProtocol):
    """See the module's docstring."""

    def __init__(
        self, *arguments: Any, connections: Connections, addresses: ClientAddresses, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._all = connections
        self._addresses = addresses
        self._running: Any = None
        """The request being answered; uvicorn's `cycle` is the newest request of the pipeline."""
        self._in_head = False
        self._head_bytes = 0
        self._head_since: float | None = None
        self._rest_since: float | None = None
        self._refused = False
        self._unreadable = False
        self._discarded = 0
        self._counted = True
        self.peer = ""
        self.proven = False
        self.quiet_since = 0.0

    @property
    def busy(self) -> bool:
        """Whether a request is being served."""
        running = self._running
        return running is not None and not running.response_complete

    @property
    def gone(self) -> bool:
        """Whether the client is gone."""
        return self.transport.is_closing()

    @property
    def has_room(self) -> bool:
        """Whether a write would return at once."""
        return not self.flow.write_paused

    @property
    def body_is_here(self) -> bool:
        """Whether the next part of the body can be read at once."""
        return self._running.message_event.is_set()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        self.peer = group(address)
        self._counted = not self._addresses.is_trusted(address)
        self.quiet_since = self.loop.time()
        if not self._all.arrive(self, counted=self._counted):
            self._all.closed("refused")
            self._refuse("unavailable", "too many connections are open; connect again later", retry_s=2)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self, counted=self._counted)
        self._forget_requests()
        super().connection_lost(exc)

    def abort(self, reason: str) -> None:
        """Close the connection and drop unsent bytes."""
        self._all.closed(reason)
        self._all.leave(self, counted=self._counted)
        self._forget_requests()
        self.transport.abort()

    def look(self, now: float) -> None:
        """Close the connection when it exceeds a time limit; called every half second."""
        bounds = self._all.bounds
        if self._head_since is not None and now - self._head_since > bounds.head_s:
            self._all.closed("head")
            self._refuse("request_timeout", f"the head of the request took more than {bounds.head_s:g} s")
        elif self._rest_since is not None and now - self._rest_since > DISCARD_S:
            self.abort("body")
        elif not self.busy:
            self._look_at_quiet(now - self.quiet_since)

    def _look_at_quiet(self, quiet_s: float) -> None:
        bounds = self._all.bounds
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            if quiet_s > bounds.answer_s:
                self.abort("answer")
        elif quiet_s > (bounds.head_s if self._running is None else bounds.idle_s):
            self._all.closed("idle")
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._refused or self._unreadable:
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self._refuse("headers_too_large", f"the head of a request has at most {HEAD_LIMIT} bytes")

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINE_MAX:
            raise ValueError("too many requests in one pipeline")
        self._in_head, self._head_bytes = True, 0
        self._head_since = self.loop.time()
        super().on_message_begin()
        self.scope[CONNECTION] = self  # pyright: ignore[reportGeneralTypeIssues] (a key of our own)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)
            return
        # Trailers are ignored: they must not be added to the headers, which are checked already.
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_LIMIT:
            raise ValueError("the trailers are too large")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_since = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            # The response did not wait for the body. Reading the body lets the sender read the response.
            self._discarded += len(body)
            if self._discarded > DISCARD_LIMIT:
                self.abort("body")
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._rest_since = None
        self.cycle.more_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.quiet_since = self.loop.time()
        if self.cycle is self._running and self.cycle.more_body:
            self._rest_since = self.quiet_since
        super().on_response_complete()
        if self._unreadable and not self.busy:
            self._refuse("bad_request", _UNREADABLE)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's name)
        self._unreadable = True
        if not (self.busy and not self._running.more_body):
            self._refuse("bad_request", _UNREADABLE)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _forget_requests(self) -> None:
        """Tell each open request that its client is gone."""
        cycles = [self._running] if self.busy else []
        for cycle in (*cycles, *(cycle for cycle, _ in self.pipeline)):
            cycle.disconnected = True
            cycle.message_event.set()
        self.pipeline.clear()
        if self.flow is not None:  # pyright: ignore[reportUnnecessaryComparison] (None before the connection)
            self.flow.resume_writing()

    def _refuse(self, code: str, detail: str, *, retry_s: int | None = None) -> None:
        """Answer without the application, then close: the next request could not be found in the bytes."""
        self._head_since = None
        if self._refused or self.transport.is_closing():
            return
        if self.busy and self._running.response_started:
            self.abort("unreadable")
            return
        self._refused = True
        self._forget_requests()
        self.transport.write(_answer(code, detail, retry_s))
        # Closing at once would reset the connection before the sender has read the response.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)


_UNREADABLE = "this is not an HTTP/1.1 request that can be read"


def _answer(code: str, detail: str, retry_s: int | None) -> bytes:
    status, title = KINDS[code]
    body = msgspec.json.encode(Problem(type_of(code), title, status, detail=detail, code=code))
    retry = "" if retry_s is None else f"retry-after: {retry_s}\r\n"
    head = (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n{retry}"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
