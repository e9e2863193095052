"""Typed declarations of metrics, bound to a registry on first use.

A process exposes only the metrics that it uses: the first read of `metrics.sse_followers` creates the
instrument in the process's registry, later reads are plain attribute accesses.

A name with dots is one of OpenTelemetry's semantic conventions, and so are its labels: Prometheus sees them
with underscores and the unit (`http.server.request.duration` as `http_server_request_duration_seconds`), OTLP
as they are. Every other metric is VisAPI's own: Prometheus sees `visapi_accept_commit_seconds`, OTLP
`visapi.accept_commit` with the unit `s`, from which a collector makes the same name again.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, overload

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry

from visapi_common.telemetry import propagation

Kind = TypeVar("Kind", prometheus.Counter, prometheus.Gauge, prometheus.Histogram)

DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Buckets in seconds: fine between 5 and 50 ms, where our budgets are, and wide enough for incidents."""
STATEMENTS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1, 10)
"""Buckets in seconds of calls to the stores. Fewer, because they are counted per statement."""
KEY_CHECKS = (0.000005, 0.00001, 0.000015, 0.000025, 0.00005, 0.0001, 0.001, 0.01)
"""Buckets in seconds around the budget of one check, 15 microseconds."""
AGES = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 21600, 86400)
"""Buckets in seconds of waits that may last hours in an incident."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
BYTES = (1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)

_UNIT_NAMES = {"seconds": "s", "bytes": "By"}
_OWN = "visapi_"


class InstrumentSet:
    """Instruments of one process, in their own registry (no global registry is used)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry


class Instrument(ABC, Generic[Kind]):
    """The declaration of one metric: its full name, bounded labels and meaning. `unit` is needed only for
    conventional names, which do not end in it: `seconds` or `bytes`.
    """

    kind: str = ""
    _ending = ""

    def __init__(
        self, name: str, meaning: str, labels: Mapping[str, str] | None = None, *, unit: str = ""
    ) -> None:
        self.conventional = "." in name
        self.otlp_name = name if self.conventional else own_otlp_name(name)
        self.name = _exposed(name, unit, self._ending) if self.conventional else name
        self.meaning = meaning
        self.attributes = {label.replace(".", "_"): label for label in labels or {}}
        """The attribute of OTLP for each label of Prometheus."""
        self.labels = {label.replace(".", "_"): meaning for label, meaning in (labels or {}).items()}
        self.unit = _UNIT_NAMES.get(unit) or unit_of(name)
        self._attribute = ""

    def __set_name__(self, owner: type, attribute: str) -> None:
        self._attribute = attribute

    @overload
    def __get__(self, owner: None, kind: type) -> "Instrument[Kind]": ...
    @overload
    def __get__(self, owner: InstrumentSet, kind: type) -> Kind: ...
    def __get__(self, owner: InstrumentSet | None, kind: type) -> "Kind | Instrument[Kind]":
        if owner is None:
            return self
        made = self.create(owner.registry)
        # Shadows this descriptor, which has no `__set__`: later reads cost an attribute lookup.
        owner.__dict__[self._attribute] = made
        return made

    @abstractmethod
    def create(self, registry: CollectorRegistry) -> Kind:
        """Make the instrument in a registry."""


def declared_in(instruments: type[InstrumentSet]) -> list[Instrument[Any]]:
    """Every instrument that a set declares or inherits."""
    return [
        instrument
        for declaring in instruments.__mro__
        for instrument in vars(declaring).values()
        if isinstance(instrument, Instrument)
    ]


class Counter(Instrument[prometheus.Counter]):
    """Only rises; the exposed name ends in `_total`."""

    kind = "counter"
    _ending = "_total"

    def create(self, registry: CollectorRegistry) -> prometheus.Counter:
        return prometheus.Counter(self.name, self.meaning, tuple(self.labels), registry=registry)


class Gauge(Instrument[prometheus.Gauge]):
    """Goes up and down."""

    kind = "gauge"

    def create(self, registry: CollectorRegistry) -> prometheus.Gauge:
        return prometheus.Gauge(self.name, self.meaning, tuple(self.labels), registry=registry)


class Histogram(Instrument[prometheus.Histogram]):
    """A histogram; the exposed name ends in its unit."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        meaning: str,
        labels: Mapping[str, str] | None = None,
        *,
        unit: str = "",
        buckets: tuple[float, ...] = DURATIONS,
    ) -> None:
        super().__init__(name, meaning, labels, unit=unit)
        self.buckets = buckets

    def create(self, registry: CollectorRegistry) -> prometheus.Histogram:
        return TracedHistogram(
            self.name, self.meaning, tuple(self.labels), registry=registry, buckets=self.buckets
        )


class TracedHistogram(prometheus.Histogram):
    """Gives each bucket the last recorded trace that was counted in it, as an exemplar.

    Exemplars appear in OpenMetrics and in OTLP; the older text format of Prometheus has no place for them.
    """

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count `amount`. Without an `exemplar` the current trace is one, if it is recorded."""
        super().observe(amount, exemplar or exemplar_of(propagation.current()))


def exemplar_of(traceparent: str | None) -> dict[str, str] | None:
    """The exemplar of a trace, or nothing when no trace is recorded."""
    if traceparent is None or not propagation.is_sampled(traceparent):
        return None
    return {
        "trace_id": propagation.trace_id_of(traceparent),
        "span_id": propagation.span_id_of(traceparent),
    }


def own_otlp_name(name: str) -> str:
    """`visapi_accept_commit_seconds` as `visapi.accept_commit`: a prefix, and neither kind nor unit."""
    bare = name.removeprefix(_OWN).removesuffix("_total")
    for unit in _UNIT_NAMES:
        bare = bare.removesuffix(f"_{unit}")
    return f"visapi.{bare}"


def unit_of(name: str) -> str:
    """The unit of a name, as UCUM writes it: `s`, `By`, or `1` for a plain number."""
    last = name.removesuffix("_total").rpartition("_")[2]
    return _UNIT_NAMES.get(last, "1")


def _exposed(name: str, unit: str, ending: str) -> str:
    return name.replace(".", "_") + (f"_{unit}" if unit else "") + ending
