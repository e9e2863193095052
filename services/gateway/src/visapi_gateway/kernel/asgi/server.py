"""uvicorn with limited connections. Streams end before the server stops, because uvicorn waits for them."""

import contextlib
import resource
import socket
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import uvicorn

from visapi_common.telemetry.logs import get_logger
from visapi_gateway.kernel.asgi.capacity import Capacity
from visapi_gateway.kernel.asgi.connection import BoundedProtocol
from visapi_gateway.kernel.asgi.connections import Connections
from visapi_gateway.kernel.asgi.http import Asgi

CLOSING_S = 7
"""Time for open responses after SIGTERM, so that the process ends within 10 s."""
BACKLOG = 2048
FILES_SPARE = 256
"""File descriptors that the process needs beside its connections."""


class _Server(uvicorn.Server):
    """The lifecycle handles signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class HttpServer:
    """Serves `app` on a socket until `stop`."""

    def __init__(self, app: Asgi, capacity: Capacity, host: str, port: int) -> None:
        bounds = replace(capacity.bounds, connections=_allow_files(capacity.bounds.connections))
        self._connections = Connections(bounds, capacity.metrics)
        self._socket = _listen(host, port)
        protocol = partial(BoundedProtocol, connections=self._connections, addresses=capacity.addresses)
        config = uvicorn.Config(
            app,
            http=cast("Any", protocol),
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=max(1, round(capacity.bounds.idle_s)),
            timeout_graceful_shutdown=CLOSING_S,
        )
        self._server = _Server(config)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    async def serve(self) -> None:
        """Serve until `stop` and until open responses are sent."""
        self._connections.watch()
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._connections.stop()

    def stop(self) -> None:
        self._server.should_exit = True


def _allow_files(connections: int) -> int:
    """Raise the limit of open files to the number of connections. Returns how many connections are
    possible.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES_SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        get_logger("http").warning("few_files", allowed=allowed, connections=connections)
    return max(1, allowed - FILES_SPARE)


def _listen(host: str, port: int) -> socket.socket:
    """Bind the socket. Raises `OSError` when the address is in use."""
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
