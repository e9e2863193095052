"""Builds the spans, metrics and exports of a process. `logs.py` configures logs."""

import asyncio
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import LogTap, get_logger
from visapi_common.telemetry.spans import Spans

if TYPE_CHECKING:
    from visapi_common.telemetry.otlp.logs import LogsExport
    from visapi_common.telemetry.otlp.metrics import MetricsExport
    from visapi_common.telemetry.otlp.spans import OtlpRecorder


class TelemetryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What leaves a process, and where to. Without an endpoint nothing does."""

    endpoint: str | None = None
    trace_sample: float = 0.0
    metrics_every_s: float = 0.0
    """0: metrics are only served at `/metrics`."""
    logs: bool = False
    personal_data: bool = False
    """Whether attributes of spans may hold it."""


class Telemetry:
    """The spans and metrics of one process."""

    def __init__(
        self,
        spans: Spans,
        metrics: Metrics,
        *,
        recorder: "OtlpRecorder | None" = None,
        metrics_export: "MetricsExport | None" = None,
        metrics_every_s: float = 0.0,
        logs_export: "LogsExport | None" = None,
    ) -> None:
        self.spans = spans
        self.metrics = metrics
        self._recorder = recorder
        self._metrics_export = metrics_export
        self._metrics_every_s = metrics_every_s
        self._logs_export = logs_export

    async def export_metrics(self) -> None:
        """Send the metrics at each interval, until cancelled; returns at once when they are not exported. A
        failure costs one interval.
        """
        while self._metrics_export is not None:
            await asyncio.sleep(self._metrics_every_s)
            try:
                await asyncio.to_thread(self._metrics_export.push)
            except Exception:  # noqa: BLE001 (the next interval exports the same totals)
                get_logger("visapi.otlp").exception("metrics_not_exported")

    async def close(self) -> None:
        """Export the last spans, values and records."""
        for export in (self._recorder, self._metrics_export, self._logs_export):
            if export is not None:
                await asyncio.to_thread(export.shutdown)


def open_metrics() -> Metrics:
    """Metrics in a registry of their own, with the process's CPU, memory and garbage collection."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return Metrics(registry)


def open_telemetry(service: str, options: TelemetryOptions, tap: LogTap) -> Telemetry:
    """Telemetry of one process; without an endpoint traceparents are only passed on. Log records are taken
    from `tap`.
    """
    metrics = open_metrics()
    if options.endpoint is None:
        return Telemetry(Spans(), metrics)
    # Imported only here: the SDK, requests and protobuf cost each idle process about 20 MB.
    from visapi_common.telemetry.otlp import logs, resource, spans  # noqa: PLC0415
    from visapi_common.telemetry.otlp import metrics as exports  # noqa: PLC0415

    who, base = resource.resource_of(service), resource.base_of(options.endpoint)
    recorder = spans.open_recorder(who, base, personal_data=options.personal_data)
    exported = options.metrics_every_s > 0
    logs_export = logs.open_logs_export(who, base) if options.logs else None
    tap.send = None if logs_export is None else logs_export.emit
    return Telemetry(
        Spans(recorder, options.trace_sample),
        metrics,
        recorder=recorder,
        metrics_export=exports.open_metrics_export(metrics, who, base) if exported else None,
        metrics_every_s=options.metrics_every_s,
        logs_export=logs_export,
    )
