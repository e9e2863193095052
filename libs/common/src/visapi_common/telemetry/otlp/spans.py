"""Recorded spans, exported in batches over OTLP/HTTP."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from visapi_common.core.redact import redact_text
from visapi_common.telemetry.propagation import span_id_of, trace_id_of
from visapi_common.telemetry.spans import Kind, Span, Value

_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}

EXPORT_DELAY_MS = 1000
"""The export interval of spans: short enough to watch a run live."""
SHUTDOWN_MS = 3000


class RecordedSpan:
    """An OpenTelemetry span behind the `Span` protocol."""

    def __init__(self, span: trace.Span, *, personal_data: bool = False) -> None:
        self._span = span
        self._personal = not personal_data
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def set(self, name: str, value: Value) -> None:
        match value:
            case UUID():
                value = str(value)
            case str():
                value = redact_text(value, personal=self._personal)
            case _:
                pass
        self._span.set_attribute(name, value)

    def fail(self, error: str) -> None:
        self._span.set_attribute("error.type", error)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        self._span.end()


class OtlpRecorder:
    """Owns the tracer provider of one process."""

    def __init__(self, resource: Resource, exporter: SpanExporter, *, personal_data: bool = False) -> None:
        self._personal_data = personal_data
        # Sampling is decided from the traceparent before a span is opened (`spans.py`).
        self._provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_DELAY_MS)
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("visapi")

    def open(self, name: str, kind: Kind, parent: str | None, links: Sequence[str]) -> Span:
        # An empty context, not None: None would use a span that a library left current.
        context = trace.set_span_in_context(trace.INVALID_SPAN)
        if parent is not None:
            context = set_span_in_context(NonRecordingSpan(_context_of(parent)))
        linked = [Link(_context_of(link)) for link in links]
        span = self._tracer.start_span(name, context, _KINDS[kind], links=linked)
        return RecordedSpan(span, personal_data=self._personal_data)

    def shutdown(self) -> None:
        """Export what is left, at most `SHUTDOWN_MS`. Blocks: call it in a thread."""
        self._processor.force_flush(SHUTDOWN_MS)
        self._provider.shutdown()


def open_recorder(resource: Resource, base: str, *, personal_data: bool = False) -> OtlpRecorder:
    """A recorder that sends to `<base>/v1/traces`."""
    exporter = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=SHUTDOWN_MS / 1000)
    return OtlpRecorder(resource, exporter, personal_data=personal_data)


def _context_of(traceparent: str) -> SpanContext:
    return SpanContext(
        trace_id=int(trace_id_of(traceparent), 16),
        span_id=int(span_id_of(traceparent), 16),
        is_remote=True,
        trace_flags=TraceFlags(int(traceparent[-2:], 16)),
    )
