"""What became of requests to hooks: counted in the metrics, and of known hooks the refused ones noted."""

from datetime import datetime
from typing import Protocol

from visapi_common.core.clocks import WallClock
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.hooks.rules.live_hooks import LiveHook
from visapi_gateway.hooks.rules.requests import Refused

UNKNOWN = "unknown"


class RefusalBook(Protocol):
    def note(self, hook: LiveHook, refused: Refused, address: str, at: datetime) -> None: ...


class Outcomes:
    """See the module's docstring."""

    def __init__(self, book: RefusalBook, metrics: Metrics, clock: WallClock) -> None:
        self._book = book
        self._requests = metrics.hook_requests
        self._clock = clock

    def unknown(self) -> None:
        self._requests.labels(UNKNOWN, UNKNOWN).inc()

    def accepted(self, hook: LiveHook, *, fresh: bool) -> None:
        """Raised after the commit."""
        self._requests.labels(hook.provider, "accepted" if fresh else "duplicate").inc()

    def greeted(self, hook: LiveHook) -> None:
        self._requests.labels(hook.provider, "handshake").inc()

    def refused(self, hook: LiveHook, refused: Refused, address: str) -> None:
        """`address` is where the request came from."""
        self._requests.labels(hook.provider, refused.reason).inc()
        self._book.note(hook, refused, address, self._clock.now())
