"""An OTLP/HTTP receiver: speaks the real protocol, keeps the spans, data points and log records it was sent."""

import asyncio
import gzip
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class SeenSpan(msgspec.Struct, frozen=True):
    """One exported span; ids in hex, `parent` empty for a root."""

    service: str
    name: str
    trace: str
    span: str
    parent: str
    attributes: dict[str, str]


class SeenPoint(msgspec.Struct, frozen=True):
    """One data point of a metric; `value` is a histogram's count, `traces` are the traces of its exemplars."""

    service: str
    name: str
    unit: str
    kind: str
    attributes: dict[str, str]
    value: float
    traces: tuple[str, ...] = ()


class SeenRecord(msgspec.Struct, frozen=True):
    """One log record; `trace` is empty outside of traces."""

    service: str
    severity: str
    body: str
    trace: str
    attributes: dict[str, str]


class OtlpReceiver:
    """`POST /v1/traces`, `/v1/metrics` and `/v1/logs` on a port of its own."""

    def __init__(self) -> None:
        self.spans: list[SeenSpan] = []
        self.points: dict[tuple[str, str], list[SeenPoint]] = {}
        """The last export of each metric, by service and name."""
        self.records: list[SeenRecord] = []
        self.resources: dict[str, dict[str, str]] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; answer the base URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def trace_of(self, trace: str) -> list[SeenSpan]:
        return [span for span in self.spans if span.trace == trace]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(fields["content-length"]))
                if fields.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert fields["content-type"] == "application/x-protobuf"
                self._take(head.split(" ")[1], body)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, path: str, body: bytes) -> None:
        match path:
            case "/v1/traces":
                self.spans.extend(_read(body))
            case "/v1/metrics":
                for point in self._points(body):
                    self.points.setdefault((point.service, point.name), []).append(point)
            case "/v1/logs":
                self.records.extend(_records(body))
            case _:
                raise AssertionError(f"no signal of OTLP has the path {path}")

    def _points(self, body: bytes) -> list[SeenPoint]:
        request = ExportMetricsServiceRequest.FromString(body)
        points: list[SeenPoint] = []
        for resource in request.resource_metrics:
            about = _texts(resource.resource.attributes)
            service = about["service.name"]
            self.resources[service] = about
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self.points.pop((service, metric.name), None)
                    points += _points_of(service, metric)
        return points


def _points_of(service: str, metric: Any) -> Iterator[SeenPoint]:
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points:
        value = point.count if kind == "histogram" else point.as_double
        traces = tuple(exemplar.trace_id.hex() for exemplar in point.exemplars)
        yield SeenPoint(service, metric.name, metric.unit, kind, _texts(point.attributes), value, traces)


def _records(body: bytes) -> Iterator[SeenRecord]:
    request = ExportLogsServiceRequest.FromString(body)
    for resource in request.resource_logs:
        service = _texts(resource.resource.attributes)["service.name"]
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield SeenRecord(
                    service,
                    record.severity_text,
                    record.body.string_value,
                    record.trace_id.hex(),
                    _texts(record.attributes),
                )


def _texts(attributes: Iterable[Any]) -> dict[str, str]:
    return {a.key: str(getattr(a.value, a.value.WhichOneof("value") or "")) for a in attributes}


def _read(body: bytes) -> Iterator[SeenSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        service = _texts(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SeenSpan(
                    service,
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    _texts(span.attributes),
                )
