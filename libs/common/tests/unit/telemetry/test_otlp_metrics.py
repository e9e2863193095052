from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry

from visapi_common.telemetry import propagation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.instruments import Counter, Gauge, Histogram, InstrumentSet, declared_in
from visapi_common.telemetry.otlp.metrics import MetricsExport, metrics_of, names_of

SAMPLED = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
UNSAMPLED = "00-" + "1" * 32 + "-" + "2" * 16 + "-00"
SINCE, NOW = 5, 9


class Few(InstrumentSet):
    sent = Counter("visapi_things_sent_total", "Things.", {"kind": "a kind"})
    depth = Gauge("visapi_depth", "Depth.")
    spread = Histogram("visapi_commit_seconds", "Time.", buckets=(1, 2))
    request = Histogram(
        "http.server.request.duration", "Time.", {"http.route": "a route"}, unit="seconds", buckets=(1,)
    )


@pytest.fixture
def few() -> Few:
    return Few(CollectorRegistry())


def exported(few: Few) -> dict[str, Any]:
    """The encoded metrics by name, as a receiver reads them."""
    metrics = metrics_of(few.registry.collect(), names_of(Few), SINCE, NOW)
    return {metric.name: metric for metric in metrics}


def test_a_counter_is_a_monotonic_sum_with_its_labels(few: Few):
    few.sent.labels("a").inc(3)
    metric = exported(few)["visapi.things_sent"]
    (point,) = metric.data.data_points
    assert (point.attributes, point.value, metric.data.is_monotonic) == ({"kind": "a"}, 3, True)
    assert (point.start_time_unix_nano, point.time_unix_nano) == (SINCE, NOW)


def test_a_gauge_keeps_its_value_and_needs_no_labels(few: Few):
    few.depth.set(7)
    (point,) = exported(few)["visapi.depth"].data.data_points
    assert (point.attributes, point.value) == ({}, 7)


def test_buckets_become_counts_of_their_own_and_infinity_is_no_bound(few: Few):
    for value in (0.5, 1.5, 1.7, 9):
        few.spread.observe(value)
    metric = exported(few)["visapi.commit"]
    (point,) = metric.data.data_points
    assert metric.unit == "s"
    assert (list(point.bucket_counts), list(point.explicit_bounds)) == ([1, 2, 1], [1, 2])
    assert (point.count, point.sum) == (4, pytest.approx(12.7))


def test_a_conventional_name_and_its_labels_are_exported_with_dots_and_exposed_with_underscores(few: Few):
    few.request.labels("/v1/runs").observe(0.1)
    metric = exported(few)["http.server.request.duration"]
    assert metric.data.data_points[0].attributes == {"http.route": "/v1/runs"}
    assert (
        few.registry.get_sample_value(
            "http_server_request_duration_seconds_count", {"http_route": "/v1/runs"}
        )
        == 1
    )


@pytest.mark.parametrize(
    ("traceparent", "kept"), [(SAMPLED, [int("1" * 32, 16)]), (UNSAMPLED, []), (None, [])]
)
def test_a_recorded_trace_is_an_exemplar_of_its_bucket(few: Few, traceparent: str | None, kept: list[int]):
    with propagation.under(traceparent):
        few.spread.observe(1.5)
    (point,) = exported(few)["visapi.commit"].data.data_points
    assert [exemplar.trace_id for exemplar in point.exemplars] == kept


class Receiver:
    """An exporter at its narrowest: encodes what it gets."""

    def __init__(self, result: MetricExportResult) -> None:
        self.result = result
        self.bodies: list[Any] = []
        self.closed = False

    def export(self, data: MetricsData, timeout_millis: float) -> MetricExportResult:
        assert timeout_millis <= 3000
        self.bodies.append(encode_metrics(data))
        return self.result

    def shutdown(self) -> None:
        self.closed = True


def test_a_receiver_that_refuses_gets_the_same_totals_at_the_next_interval(few: Few):
    receiver: Any = Receiver(MetricExportResult.FAILURE)
    export = MetricsExport(few, Resource({"service.name": "test"}), receiver)
    few.sent.labels("a").inc()
    export.push()
    few.sent.labels("a").inc()
    export.shutdown()
    assert [value_of(body) for body in receiver.bodies] == [1, 2]
    assert receiver.closed


def value_of(body: Any) -> float:
    return body.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0].as_double


def test_every_name_is_used_once_in_both_forms():
    names = [one.name for one in declared_in(Metrics)]
    assert len(set(names)) == len(names)
    otlp = [one.otlp_name for one in declared_in(Metrics)]
    assert len(set(otlp)) == len(otlp)


def test_a_collector_makes_the_names_of_the_metrics_page_from_those_of_otlp():
    # The rules of OpenTelemetry for Prometheus: dots become underscores, the unit and `_total` are added.
    units = {"s": "_seconds", "By": "_bytes", "1": ""}
    for one in declared_in(Metrics):
        made = one.otlp_name.replace(".", "_") + units[one.unit] + ("_total" if one.kind == "counter" else "")
        assert made == one.name
