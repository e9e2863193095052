"""Wires the orchestrator: opens the adapters and passes them in."""

import asyncio
import os
import sys
from functools import partial

from visapi_common.adapters.bus import Bus
from visapi_common.adapters.pool_meter import open_metered_pool
from visapi_common.runtime.service import Lifecycle, run_service
from visapi_common.runtime.settings import SettingsError, load
from visapi_common.telemetry.catalogue import Metrics
from visapi_engine.process.pool import EnginePool
from visapi_engine.process.protocol import Limits
from visapi_orchestrator.opening import dependencies_of
from visapi_orchestrator.orchestrator import Orchestrator
from visapi_orchestrator.settings import OrchestratorSettings
from visapi_orchestrator.transitions.store.ledger import SESSION
from visapi_orchestrator.upkeep.store.upkeep import PostgresUpkeep

NAME = "orchestrator"


async def serve(lifecycle: Lifecycle, settings: OrchestratorSettings) -> None:
    """Open everything, orchestrate until stopped, close everything."""
    pool = await open_metered_pool(
        settings.postgres_urls,
        size=settings.postgres_connections or settings.lanes + 5,
        application=NAME,
        session=SESSION,
        metrics=lifecycle.metrics,
        pooler=settings.postgres_pooler,
    )
    bus = await Bus.connect(settings.nats_urls, NAME, access=settings.nats_access(NAME))
    bus.count_in(lifecycle.metrics)
    on_lost = partial(_count_loss, lifecycle.metrics)
    engine = EnginePool(settings.engine_processes, PostgresUpkeep(pool).program, Limits(), on_lost=on_lost)
    try:
        await engine.start()
        await Orchestrator(dependencies_of(pool, bus, engine, settings), settings, lifecycle).run()
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
