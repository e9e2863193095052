"""Metrics over OTLP/HTTP: the instruments of `/metrics`, read at each interval, sent with their exemplars.

The process counts once, in the registry of Prometheus. Nothing is added to the hot path: the values there
become OpenTelemetry's data points when they are exported. (OpenTelemetry's own reader for Prometheus drops
exemplars.) Totals are cumulative since the start of the process.
"""

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

from visapi_common.telemetry.instruments import InstrumentSet, declared_in, unit_of

EXPORT_TIMEOUT_S = 3.0
"""One export, repeats included: a collector that hangs delays the end of a process by no more."""
_NS = 1_000_000_000
_UNKNOWN: Any = None
"""Prometheus keeps no extremes; protobuf leaves a field without a value out."""
_CUMULATIVE = AggregationTemporality.CUMULATIVE
_log = logging.getLogger("visapi.otlp")

_OF_LIBRARIES = {
    "process_cpu_seconds": "process.cpu.time",
    "process_resident_memory_bytes": "process.memory.usage",
    "process_virtual_memory_bytes": "process.memory.virtual",
    "process_open_fds": "process.unix.file_descriptor.count",
    "python_gc_collections": "cpython.gc.collections",
    "python_gc_objects_collected": "cpython.gc.collected_objects",
    "python_gc_objects_uncollectable": "cpython.gc.uncollectable_objects",
}
"""Conventional names of what prometheus_client counts by itself; its other families are not exported."""


class Naming(msgspec.Struct, frozen=True):
    """How OTLP names one family."""

    name: str
    unit: str
    attributes: Mapping[str, str]


class Exporter(Protocol):
    """The parts of OpenTelemetry's `MetricExporter` that are used."""

    def export(self, metrics_data: MetricsData, timeout_millis: float) -> MetricExportResult: ...
    def shutdown(self) -> None: ...


class MetricsExport:
    """Sends the metrics of one process."""

    def __init__(self, instruments: InstrumentSet, resource: Resource, exporter: Exporter) -> None:
        self._registry: CollectorRegistry = instruments.registry
        self._names = names_of(type(instruments))
        self._resource = resource
        self._exporter = exporter
        self._since = time.time_ns()

    def push(self) -> None:
        """Send everything once. Blocks up to `EXPORT_TIMEOUT_S`: call it in a thread. A collector that is
        away costs one line of the log; the next export holds the same totals and more.
        """
        metrics = list(metrics_of(self._registry.collect(), self._names, self._since, time.time_ns()))
        scope = ScopeMetrics(InstrumentationScope("visapi"), metrics, "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        if (
            self._exporter.export(data, timeout_millis=EXPORT_TIMEOUT_S * 1000)
            is not MetricExportResult.SUCCESS
        ):
            _log.warning("the OTLP receiver took no metrics; they are sent again at the next interval")

    def shutdown(self) -> None:
        """Send the last values and close. Blocks: call it in a thread."""
        self.push()
        self._exporter.shutdown()


def open_metrics_export(instruments: InstrumentSet, resource: Resource, base: str) -> MetricsExport:
    """An export to `<base>/v1/metrics`."""
    exporter = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=EXPORT_TIMEOUT_S)
    return MetricsExport(instruments, resource, exporter)


def names_of(instruments: type[InstrumentSet]) -> dict[str, Naming]:
    """The name in OTLP for each declared family, by the family's name in the registry."""
    names: dict[str, Naming] = {}
    for instrument in declared_in(instruments):
        family = instrument.name.removesuffix("_total")
        names[family] = Naming(instrument.otlp_name, instrument.unit, instrument.attributes)
    for family, name in _OF_LIBRARIES.items():
        names[family] = Naming(name, unit_of(family), {})
    return names


def metrics_of(
    families: Iterable[Family], names: Mapping[str, Naming], since_ns: int, now_ns: int
) -> Iterator[Metric]:
    """OpenTelemetry's metrics for families of Prometheus; families without a name are left out."""
    for family in families:
        naming = names.get(family.name)
        if naming is None:
            continue
        points = list(_points(family, naming, since_ns, now_ns))
        if points:
            yield Metric(naming.name, family.documentation, naming.unit, _data(family.type, points))


def _data(kind: str, points: Sequence[NumberDataPoint | HistogramDataPoint]) -> Sum | Gauge | Histogram:
    match kind:
        case "counter":
            return Sum([p for p in points if isinstance(p, NumberDataPoint)], _CUMULATIVE, is_monotonic=True)
        case "histogram":
            return Histogram([p for p in points if isinstance(p, HistogramDataPoint)], _CUMULATIVE)
        case _:
            return Gauge([p for p in points if isinstance(p, NumberDataPoint)])


def _points(
    family: Family, naming: Naming, since_ns: int, now_ns: int
) -> Iterator[NumberDataPoint | HistogramDataPoint]:
    if family.type == "histogram":
        for labels, samples in _by_labels(family.samples).items():
            yield _histogram(_attributes(dict(labels), naming), samples, since_ns, now_ns)
        return
    for sample in family.samples:
        if not sample.name.endswith("_created"):
            attributes = _attributes(sample.labels, naming)
            yield NumberDataPoint(attributes, since_ns, now_ns, sample.value, [])


def _by_labels(samples: Iterable[Sample]) -> dict[frozenset[tuple[str, str]], list[Sample]]:
    """The samples of each time series, without the bucket's own label."""
    series: dict[frozenset[tuple[str, str]], list[Sample]] = {}
    for sample in samples:
        labels = frozenset((name, value) for name, value in sample.labels.items() if name != "le")
        series.setdefault(labels, []).append(sample)
    return series


def _histogram(
    attributes: dict[str, str], samples: Sequence[Sample], since_ns: int, now_ns: int
) -> HistogramDataPoint:
    buckets = [sample for sample in samples if sample.name.endswith("_bucket")]
    upper = [float(sample.labels["le"]) for sample in buckets]
    reached = [int(sample.value) for sample in buckets]
    counts = [after - before for before, after in zip([0, *reached], reached, strict=False)]
    total = next((sample.value for sample in samples if sample.name.endswith("_sum")), 0.0)
    return HistogramDataPoint(
        attributes=attributes,
        start_time_unix_nano=since_ns,
        time_unix_nano=now_ns,
        count=reached[-1] if reached else 0,
        sum=total,
        bucket_counts=counts,
        explicit_bounds=[bound for bound in upper if not math.isinf(bound)],
        min=_UNKNOWN,
        max=_UNKNOWN,
        exemplars=[exemplar for sample in buckets for exemplar in _exemplars(sample)],
    )


def _exemplars(sample: Sample) -> Iterator[Exemplar]:
    found = sample.exemplar
    if found is None:
        return
    yield Exemplar(
        filtered_attributes={},
        value=found.value,
        time_unix_nano=int(float(found.timestamp or 0) * _NS),
        span_id=int(found.labels["span_id"], 16),
        trace_id=int(found.labels["trace_id"], 16),
    )


def _attributes(labels: Mapping[str, str], naming: Naming) -> dict[str, str]:
    return {naming.attributes.get(name, name): value for name, value in labels.items()}
