"""Counts what a process sends over NATS, and how long it waits for answers."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from visapi_common.core.errors import TransientFault, UnknownFault
from visapi_common.telemetry.catalogue import Metrics

_SYSTEM = "nats"


class BusMeter:
    """The counters of one connection. Subjects are counted by their first two tokens, which are VisAPI's
    own or JetStream's, so that no tenant can add a time series.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._sent: dict[tuple[str, str], Any] = {}

    def sent(self, subject: str, operation: str) -> None:
        """Count one message that was handed to the connection."""
        key = (operation, destination_of(subject))
        child = self._sent.get(key)
        if child is None:
            child = self._sent[key] = self._metrics.messages_sent.labels(_SYSTEM, *key)
        child.inc()

    @contextmanager
    def asking(self, subject: str) -> Generator[None]:
        """Time one request."""
        began = time.perf_counter()
        error = "other"
        try:
            yield
            error = "none"
        except UnknownFault:
            error = "unanswered"
            raise
        except TransientFault:
            error = "refused"
            raise
        finally:
            self._metrics.messaging_seconds.labels(
                _SYSTEM, "request", destination_of(subject), error
            ).observe(time.perf_counter() - began)

    def reconnected(self) -> None:
        self._metrics.nats_reconnects.inc()

    def handler_failed(self) -> None:
        self._metrics.nats_handler_failures.inc()

    def delivered(self, stream: str) -> Any:
        """The counter of one stream's deliveries."""
        return self._metrics.messages_consumed.labels(_SYSTEM, stream)


def destination_of(subject: str) -> str:
    """`visapi.tasks` of `visapi.tasks._.pdf.render`; `_INBOX` for an answer."""
    first, _, rest = subject.partition(".")
    if first == "_INBOX" or not rest:
        return first
    return f"{first}.{rest.partition('.')[0]}"
