"""Log records over OTLP/HTTP, beside the lines on standard output, with the ids of their trace."""

import json
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

EXPORT_DELAY_MS = 1000
SHUTDOWN_MS = 3000
_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_NOT_ATTRIBUTES = frozenset({"event", "level", "time", "trace_id", "span_id"})


class LogsExport:
    """Sends the redacted records of one process in batches. A receiver that is away costs the records that
    the queue cannot hold; the lines on standard output are complete.
    """

    def __init__(self, resource: Resource, exporter: LogRecordExporter) -> None:
        self._provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._processor = BatchLogRecordProcessor(exporter, schedule_delay_millis=EXPORT_DELAY_MS)
        self._provider.add_log_record_processor(self._processor)
        self._logger = self._provider.get_logger("visapi")

    def emit(self, record: Mapping[str, Any]) -> None:
        """Queue one record: the redacted fields of a line. Records of the exporter itself are left out, as
        each failed export would write the next.
        """
        if str(record.get("part", "")).startswith("opentelemetry"):
            return
        level = str(record.get("level", "info"))
        now = time.time_ns()
        self._logger.emit(
            timestamp=now,
            observed_timestamp=now,
            context=_context_of(record),
            severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
            severity_text=level,
            body=str(record.get("event", "")),
            attributes={
                name: value
                if isinstance(value, str | bool | int | float)
                else json.dumps(value, default=repr)
                for name, value in record.items()
                if name not in _NOT_ATTRIBUTES
            },
        )

    def shutdown(self) -> None:
        """Send what is left, at most `SHUTDOWN_MS`. Blocks: call it in a thread."""
        self._processor.force_flush(SHUTDOWN_MS)
        self._provider.shutdown()


def open_logs_export(resource: Resource, base: str) -> LogsExport:
    """An export to `<base>/v1/logs`."""
    return LogsExport(resource, OTLPLogExporter(endpoint=f"{base}/v1/logs", timeout=SHUTDOWN_MS / 1000))


def _context_of(record: Mapping[str, Any]) -> Context:
    ids = (record.get("trace_id"), record.get("span_id"))
    empty = trace.set_span_in_context(trace.INVALID_SPAN)
    if not all(isinstance(one, str) for one in ids):
        return empty
    context = SpanContext(
        int(str(ids[0]), 16), int(str(ids[1]), 16), is_remote=True, trace_flags=TraceFlags(1)
    )
    return set_span_in_context(NonRecordingSpan(context), empty)
