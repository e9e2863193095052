"""All open connections of the server: their number, their addresses, and how long each has been idle.

When there are too many, idle connections are closed, oldest first, and connections that never sent a valid
key before others. A new connection is refused only when every connection has a request. One timer checks all
connections, so a request needs no timer of its own.
"""

import asyncio
from heapq import nsmallest
from typing import Protocol

from visapi_common.core.shares import Share
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.kernel.asgi.capacity import Bounds

LOOK_S = 0.5
"""The interval between checks of all connections."""
EVICTED_AT_ONCE = 64


class Watched(Protocol):
    """A connection as the registry sees it."""

    peer: str
    proven: bool
    quiet_since: float

    @property
    def busy(self) -> bool: ...
    def abort(self, reason: str) -> None: ...
    def look(self, now: float) -> None:
        """Close the connection when it exceeds a time limit."""
        ...


class Connections:
    """See the module's docstring."""

    def __init__(self, bounds: Bounds, metrics: Metrics) -> None:
        self.bounds = bounds
        self._metrics = metrics
        self._share = Share(bounds.connections, bounds.connections_per_address)
        self._open: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def arrive(self, connection: Watched, *, counted: bool) -> bool:
        """Whether the connection may stay. `counted` is false for a trusted proxy, which serves many
        clients.
        """
        peer = connection.peer
        if len(self._open) >= self.bounds.connections:
            self._evict(None)
            if len(self._open) >= self.bounds.connections:
                return False
        if counted and not self._share.take(peer):
            self._evict(peer)
            if not self._share.take(peer):
                return False
        self._open.add(connection)
        self._metrics.http_connections.set(len(self._open))
        return True

    def leave(self, connection: Watched, *, counted: bool) -> None:
        if connection in self._open:
            self._open.discard(connection)
            if counted:
                self._share.give_back(connection.peer)
            self._metrics.http_connections.set(len(self._open))

    def closed(self, reason: str) -> None:
        self._metrics.http_connections_closed.labels(reason).inc()

    def watch(self) -> None:
        """Check all connections periodically, until `stop`."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self._open):
            connection.look(now)
        self._timer = loop.call_later(LOOK_S, self.watch)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _evict(self, peer: str | None) -> None:
        quiet = (one for one in self._open if not one.busy and peer in (None, one.peer))
        for one in nsmallest(EVICTED_AT_ONCE, quiet, key=lambda one: (one.proven, one.quiet_since)):
            one.abort("full")
