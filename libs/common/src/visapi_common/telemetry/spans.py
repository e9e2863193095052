"""Spans that cost almost nothing when they are not recorded.

Sampling is decided from the traceparent's text before any OpenTelemetry object is created: an unsampled
parent is passed on unchanged, and a root that is not sampled gets an unsampled traceparent.
"""

import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol
from uuid import UUID

from visapi_common.telemetry import propagation

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | float | bool | UUID


class Span(Protocol):
    """One open span. `traceparent` identifies it to children."""

    @property
    def traceparent(self) -> str: ...
    def set(self, name: str, value: Value) -> None: ...
    def fail(self, error: str) -> None:
        """Mark as failed with a bounded kind, never with a message that may hold data."""
        ...

    def end(self) -> None: ...


class Recorder(Protocol):
    """Makes spans that are exported; see `otlp/spans.py`."""

    def open(self, name: str, kind: Kind, parent: str | None, links: Sequence[str]) -> Span: ...


class UnrecordedSpan:
    """An unrecorded span, which only keeps the traceparent."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def set(self, name: str, value: Value) -> None:
        """Forget it."""

    def fail(self, error: str) -> None:
        """Forget it."""

    def end(self) -> None:
        """Does nothing."""


class Spans:
    """Opens spans for one process. Without a recorder every span is passed on."""

    def __init__(self, recorder: Recorder | None = None, sample: float = 0.0) -> None:
        self._recorder = recorder
        self._sample = sample if recorder is not None else 0.0

    def open(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: str | None = None,
        links: Sequence[str] = (),
    ) -> Span:
        """Open a span under `parent`, else under the current one, else as a root; end it yourself.

        The span does not become the current one: use this where many runs share one task, as in a batch.
        """
        above = parent or propagation.current()
        if self._recorder is None:
            return UnrecordedSpan(above or propagation.unsampled_root())
        if above is None:
            if random.random() >= self._sample:
                return UnrecordedSpan(propagation.unsampled_root())
        elif not propagation.is_sampled(above):
            return UnrecordedSpan(above)
        return self._recorder.open(name, kind, above, links)

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: str | None = None,
        links: Sequence[str] = (),
    ) -> Generator[Span]:
        """Open a span, make it the current one for the block, end it; an exception marks it failed."""
        span = self.open(name, kind=kind, parent=parent, links=links)
        with propagation.under(span.traceparent):
            try:
                yield span
            except BaseException as error:
                # A cancelled operation counts as failed too.
                span.fail(type(error).__name__)
                raise
            finally:
                span.end()
