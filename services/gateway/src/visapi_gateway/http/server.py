"""uvicorn, bounded and drained our way.

uvicorn bounds neither the size of a head nor the time it takes, answers a malformed request in plain
text, and waits at shutdown for streams that nobody tells to end. Here a head is at most `HEAD_LIMIT`
bytes and comes within `HEAD_TIMEOUT_S`; refusals are problem details; streams end first.
"""

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from visapi_common.contracts.problems import Problem
from visapi_gateway.core.problems import KINDS, type_of
from visapi_gateway.http.exchange import Asgi

HEAD_LIMIT = 64 * 1024
HEAD_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 75
CLOSING_S = 7
"""How long answers under way may take after SIGTERM, so that the process ends within 10 s."""
BACKLOG = 2048
LINGER_S = 1.0
DISCARD_LIMIT = 16 * 1024 * 1024
"""How much of unwanted bodies one connection may send."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection; see the module's docstring."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_head = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._refused = False
        self._discarded = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self._refuse("headers_too_large", f"the head of a request has at most {HEAD_LIMIT} bytes")
            elif self._head_timer is None:
                self._await_head()

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            # The answer did not wait for the body. Reading on lets the sender read the answer.
            self._discarded += len(body)
            if self._discarded > DISCARD_LIMIT:
                self.transport.close()
            return
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's name)
        self._refuse("bad_request", "this is not an HTTP/1.1 request that can be read")

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self._in_head:
            self._refuse("request_timeout", f"the head of the request took more than {HEAD_TIMEOUT_S:.0f} s")
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, code: str, detail: str) -> None:
        """Answer before any application runs, then close: what follows cannot be told apart."""
        self._head_came()
        if self.transport.is_closing():
            return
        kind = KINDS[code]
        body = msgspec.json.encode(Problem(type_of(code), kind.title, kind.status, detail=detail, code=code))
        head = (
            f"HTTP/1.1 {kind.status} {kind.title}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        # Closing at once would reset the connection under a sender that has not read the answer yet.
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)


class _Server(uvicorn.Server):
    """Signals are the lifecycle's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class HttpServer:
    """Serves `app` on a socket until told to stop."""

    def __init__(self, app: Asgi, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=CLOSING_S,
        )
        self._server = _Server(config)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    async def serve(self) -> None:
        """Until `stop`, and until the answers under way are sent."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """Raises `OSError` when the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening
