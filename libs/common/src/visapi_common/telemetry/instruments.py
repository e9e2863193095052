"""Typed declarations of metrics, bound to a registry on first use.

A process exposes only the metrics that it uses: the first read of `metrics.http_requests` creates the
instrument in the process's registry, later reads are plain attribute accesses.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

I = TypeVar("I", Counter, Gauge, Histogram)  # noqa: E741 - the name of the instrument's type

DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Buckets in seconds: fine between 5 and 50 ms, where our budgets are, and wide enough for incidents."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
BYTES = (1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)


class InstrumentSet:
    """Instruments of one process, in their own registry (no global registry is used)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry


class Instrument(ABC, Generic[I]):
    """The declaration of one metric: its full name, bounded labels and meaning."""

    kind: str = ""

    def __init__(self, name: str, meaning: str, labels: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = dict(labels or {})
        self._attribute = ""

    def __set_name__(self, owner: type, attribute: str) -> None:
        self._attribute = attribute

    @overload
    def __get__(self, owner: None, kind: type) -> "Instrument[I]": ...
    @overload
    def __get__(self, owner: InstrumentSet, kind: type) -> I: ...
    def __get__(self, owner: InstrumentSet | None, kind: type) -> "I | Instrument[I]":
        if owner is None:
            return self
        made = self.create(owner.registry)
        # Shadows this descriptor, which has no `__set__`: later reads cost an attribute lookup.
        owner.__dict__[self._attribute] = made
        return made

    @abstractmethod
    def create(self, registry: CollectorRegistry) -> I:
        """Make the instrument in a registry."""


class Count(Instrument[Counter]):
    """Only rises; the name ends in `_total`."""

    kind = "counter"

    def create(self, registry: CollectorRegistry) -> Counter:
        return Counter(self.name, self.meaning, tuple(self.labels), registry=registry)


class Level(Instrument[Gauge]):
    """Goes up and down."""

    kind = "gauge"

    def create(self, registry: CollectorRegistry) -> Gauge:
        return Gauge(self.name, self.meaning, tuple(self.labels), registry=registry)


class Spread(Instrument[Histogram]):
    """A histogram; the name ends in its unit."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        meaning: str,
        labels: Mapping[str, str] | None = None,
        *,
        buckets: tuple[float, ...] = DURATIONS,
    ) -> None:
        super().__init__(name, meaning, labels)
        self.buckets = buckets

    def create(self, registry: CollectorRegistry) -> Histogram:
        return Histogram(self.name, self.meaning, tuple(self.labels), registry=registry, buckets=self.buckets)
