"""Builds the spans and metrics of a process. `logs.py` configures logs."""

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.spans import Spans

if TYPE_CHECKING:
    from visapi_common.telemetry.otlp import OtlpRecorder


class Telemetry:
    """The spans and metrics of one process."""

    def __init__(self, spans: Spans, metrics: Metrics, recorder: "OtlpRecorder | None" = None) -> None:
        self.spans = spans
        self.metrics = metrics
        self._recorder = recorder

    async def close(self) -> None:
        """Export the last spans."""
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.shutdown)


def open_metrics() -> Metrics:
    """Metrics in a registry of their own, with the process's CPU, memory and garbage collection."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return Metrics(registry)


def open_telemetry(service: str, *, otlp_endpoint: str | None, trace_sample: float) -> Telemetry:
    """Telemetry of one process; without an endpoint traceparents are only passed on."""
    metrics = open_metrics()
    if otlp_endpoint is None:
        return Telemetry(Spans(), metrics)
    # Imported only here: the SDK, requests and protobuf cost each idle process about 20 MB.
    from visapi_common.telemetry.otlp import open_recorder  # noqa: PLC0415

    recorder = open_recorder(service, otlp_endpoint)
    return Telemetry(Spans(recorder, trace_sample), metrics, recorder)
