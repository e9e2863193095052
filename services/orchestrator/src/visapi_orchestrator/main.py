"""Wires the orchestrator: real things into `app`."""

import asyncio
import os
import sys
from functools import partial

from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import RandomIds, SystemClock
from visapi_common.adapters.pool import open_pool
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import Topology
from visapi_common.contracts import subjects
from visapi_common.runtime.service import Lifecycle, run_service
from visapi_common.runtime.settings import SettingsError, load
from visapi_common.telemetry.catalogue import Metrics
from visapi_engine.process.pool import EnginePool
from visapi_engine.process.protocol import Limits
from visapi_orchestrator.adapters.due import PostgresDue
from visapi_orchestrator.adapters.events import PostgresEvents
from visapi_orchestrator.adapters.flow import PostgresFlow
from visapi_orchestrator.adapters.ledger import SESSION, PostgresLedger
from visapi_orchestrator.adapters.schedules import PostgresSchedules
from visapi_orchestrator.adapters.streams import JetStreamEvents, JetStreams
from visapi_orchestrator.adapters.tasks import PostgresTasks
from visapi_orchestrator.adapters.upkeep import PostgresUpkeep
from visapi_orchestrator.app.orchestrator import Orchestrator, World
from visapi_orchestrator.settings import OrchestratorSettings

NAME = "orchestrator"


async def serve(lifecycle: Lifecycle, settings: OrchestratorSettings) -> None:
    """Open everything, orchestrate until told to stop, close everything."""
    pool = await open_pool(settings.postgres_url, size=settings.lanes + 4, application=NAME, session=SESSION)
    bus = await Bus.connect(settings.nats_url, NAME)
    upkeep, on_lost = PostgresUpkeep(pool), partial(_count_loss, lifecycle.metrics)
    engine = EnginePool(settings.engine_processes, upkeep.program, Limits(), on_lost=on_lost)
    window = settings.batch_max * 2
    world = World(
        ledger=PostgresLedger(pool, RandomIds()),
        due=PostgresDue(pool),
        tasks=PostgresTasks(pool),
        upkeep=upkeep,
        streams=JetStreams(Topology(bus)),
        bus=bus,
        results=PullLoop(bus, subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS, window=window),
        triggers=PullLoop(bus, subjects.STREAM_ENGINE, subjects.CONSUMER_TRIGGERS, window=window),
        events=PullLoop(bus, subjects.STREAM_EVENTS, subjects.CONSUMER_EVENTS, window=window),
        event_rows=PostgresEvents(pool, RandomIds()),
        event_publisher=JetStreamEvents(bus),
        schedules=PostgresSchedules(pool),
        flow=PostgresFlow(pool),
        engine=engine,
        payloads=PayloadStore.open(settings.artifacts_url),
        monotonic=SystemClock(),
    )
    try:
        await engine.start()
        await Orchestrator(world, settings, lifecycle).run()
    finally:
        await engine.stop()
        await bus.close()
        async with asyncio.timeout(5):
            await pool.close()


def _count_loss(metrics: Metrics, how: str) -> None:
    reason = "deadline" if how.startswith(("hung", "deadline")) else "died"
    metrics.engine_restarts.labels(reason).inc()


def main() -> int:
    """Run the process; the exit code."""
    try:
        settings = load(OrchestratorSettings, os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return run_service(NAME, partial(serve, settings=settings), settings)
