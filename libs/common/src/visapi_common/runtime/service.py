"""The life of a service process: start, be ready, drain, end.

The first SIGTERM or SIGINT turns readiness off and sets `stopping`; the body then finishes its open work. A
second signal, or the end of `drain_s`, stops the process at once. No accepted request is lost, because
accepted requests are in PostgreSQL.
"""

import asyncio
import gc
import platform
import signal
import time
from collections.abc import Awaitable, Callable
from importlib import metadata

import uvloop

from visapi_common.contracts import formats
from visapi_common.runtime.health import HealthServer, Readiness
from visapi_common.runtime.settings import CommonSettings
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import LogTap, configure_logging, get_logger
from visapi_common.telemetry.setup import Telemetry, TelemetryOptions, open_telemetry
from visapi_common.telemetry.spans import Spans

__all__ = ["CommonSettings", "Lifecycle", "run_service"]

LAG_EVERY_S = 0.05
STALL_S = 0.1
"""A timer that fires later than this counts as a stall of the event loop."""
GC_YOUNG = 10_000
"""New objects before the garbage collector examines the young generation."""
HARD_END_S = 2.0
"""How long a cancelled body may take to clean up before the process exits."""


class Lifecycle:
    """The lifecycle object of a service's body: the stop signal, readiness, metrics and spans."""

    def __init__(self, name: str, telemetry: Telemetry) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        self.readiness = Readiness()
        self._telemetry = telemetry
        self._log = get_logger("lifecycle")

    @property
    def metrics(self) -> Metrics:
        return self._telemetry.metrics

    @property
    def spans(self) -> Spans:
        return self._telemetry.spans

    def ready(self, check: str, ok: bool) -> None:
        """Report a named check; the service is ready while all its checks hold."""
        before = self.readiness.ready
        if self.readiness.report(check, ok):
            self._log.info("check", check=check, ok=ok)
        if self.readiness.ready and not before:
            self._log.info("ready")
            _settle_memory()

    def stop(self) -> None:
        """Begin to drain: readiness off, `stopping` set."""
        if not self.stopping.is_set():
            self._log.info("stopping")
        self.readiness.stop()
        self.stopping.set()


Body = Callable[[Lifecycle], Awaitable[None]]


def run_service(name: str, body: Body, settings: CommonSettings) -> int:
    """Run `body` as the process `name`; returns the exit code: 0 after a clean end, else 1."""
    tap = configure_logging(name, settings.log_level, personal_data=settings.log_personal_data)
    formats.write_as(settings.writes)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(name, body, settings, tap))


async def _run(name: str, body: Body, settings: CommonSettings, tap: LogTap) -> int:
    log = get_logger("lifecycle")
    telemetry = open_telemetry(name, _telemetry_options(settings), tap)
    lifecycle = Lifecycle(name, telemetry)
    telemetry.metrics.build_info.labels(metadata.version("visapi-common"), platform.python_version()).set(1)
    health = HealthServer(telemetry.metrics.registry, lifecycle.readiness, token=settings.metrics_token)
    try:
        port = await health.start(settings.metrics_host, settings.metrics_port)
    except OSError as taken:
        log.error(
            "metrics_port_taken", host=settings.metrics_host, port=settings.metrics_port, detail=str(taken)
        )
        return 1
    log.info("started", metrics_port=port, writes=formats.written().release)
    beside = [
        asyncio.create_task(watch_lag(telemetry.metrics), name="loop-lag"),
        asyncio.create_task(telemetry.export_metrics(), name="metrics-export"),
    ]
    try:
        code = await _drive(lifecycle, body, settings.drain_s)
    finally:
        for task in beside:
            task.cancel()
        await health.stop()
        await telemetry.close()
    log.info("ended", code=code)
    return code


def _telemetry_options(settings: CommonSettings) -> TelemetryOptions:
    return TelemetryOptions(
        endpoint=settings.otlp_endpoint,
        trace_sample=settings.trace_sample,
        metrics_every_s=settings.otlp_metrics_s,
        logs=settings.otlp_logs,
        personal_data=settings.log_personal_data,
    )


async def _drive(lifecycle: Lifecycle, body: Body, drain_s: float) -> int:
    """Run the body to its end, or to its time limit."""
    log = get_logger("lifecycle")
    hard = asyncio.Event()
    _on_signals(lifecycle, hard)
    work = asyncio.ensure_future(body(lifecycle))
    stopping = asyncio.create_task(lifecycle.stopping.wait())
    ended_hard = asyncio.create_task(hard.wait())
    await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        await asyncio.wait({work, ended_hard}, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
    drained = work.done()
    if not drained:
        log.warning("drain_incomplete", second_signal=hard.is_set())
        work.cancel()
        await asyncio.wait({work}, timeout=HARD_END_S)
    stopping.cancel()
    ended_hard.cancel()
    if not drained or not work.done() or work.cancelled():
        return 1
    error = work.exception()
    if error is not None:
        log.error("crashed", exc_info=error)
        return 1
    return 0


def _settle_memory() -> None:
    """Exclude the objects of the start from later garbage collections.

    Modules, routes and statements live as long as the process; collecting over them blocks for tens of
    milliseconds. The young generation is enlarged for batches.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_YOUNG, 20, 50)


def _on_signals(lifecycle: Lifecycle, hard: asyncio.Event) -> None:
    def stop() -> None:
        if lifecycle.stopping.is_set():
            hard.set()
        lifecycle.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


async def watch_lag(metrics: Metrics) -> None:
    """Measure how late the timers of this event loop fire, without end."""
    loop = asyncio.get_running_loop()
    histogram = metrics.event_loop_lag_seconds
    work, outside = (metrics.event_loop_stalls.labels(cause=cause) for cause in ("work", "outside"))
    while True:
        due = loop.time() + LAG_EVERY_S
        used = time.thread_time()
        await asyncio.sleep(LAG_EVERY_S)
        late = max(0.0, loop.time() - due)
        histogram.observe(late)
        if late > STALL_S:
            (work if time.thread_time() - used > late / 2 else outside).inc()
