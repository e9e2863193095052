"""PostgreSQL, NATS and the artifact store, as the orchestrator sees them."""

from visapi_common.adapters.artifacts import ArtifactStore, PayloadStore, TemplateStore
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import RandomIds, SystemClock
from visapi_common.adapters.event_stream import EventStream
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import Topology
from visapi_common.contracts import subjects
from visapi_engine.process.pool import EnginePool
from visapi_orchestrator.batches.triggers import READ_AHEAD
from visapi_orchestrator.dead_letters.store import PostgresQuarantine
from visapi_orchestrator.dependencies import Dependencies
from visapi_orchestrator.endpoints.fan_out import MESSAGES_KEPT
from visapi_orchestrator.endpoints.store.fan_out import PostgresFanOut
from visapi_orchestrator.endpoints.store.history import PostgresEndpointHistory
from visapi_orchestrator.endpoints.work import EndpointRows
from visapi_orchestrator.events.store.events import PostgresEvents
from visapi_orchestrator.events.store.lifecycle import PostgresLifecycle
from visapi_orchestrator.settings import OrchestratorSettings
from visapi_orchestrator.tasks.store.tasks import PostgresTasks
from visapi_orchestrator.tasks.store.templates import PostgresTemplates
from visapi_orchestrator.tasks.streams import JetStreamEvents, JetStreamLifecycle, JetStreams
from visapi_orchestrator.timing.store.due import PostgresDue
from visapi_orchestrator.timing.store.schedules import PostgresSchedules
from visapi_orchestrator.transitions.ports import Ledger
from visapi_orchestrator.transitions.store.families import PostgresFamilies
from visapi_orchestrator.transitions.store.flow import PostgresFlow
from visapi_orchestrator.transitions.store.ledger import PostgresLedger
from visapi_orchestrator.upkeep.erasing import Erasing
from visapi_orchestrator.upkeep.store.collections import PostgresCollections
from visapi_orchestrator.upkeep.store.endpoints import PostgresEndpointRows
from visapi_orchestrator.upkeep.store.erasures import ErasedObjects, PostgresErasures
from visapi_orchestrator.upkeep.store.hooks import PostgresHookRows
from visapi_orchestrator.upkeep.store.levels import PostgresLevels
from visapi_orchestrator.upkeep.store.retention import PostgresRetention
from visapi_orchestrator.upkeep.store.upkeep import PostgresEndedKeys, PostgresUpkeep
from visapi_orchestrator.upkeep.store.usage import PostgresUsage


def dependencies_of(
    pool: Pool, bus: Bus, engine: EnginePool, settings: OrchestratorSettings, *, ledger: Ledger | None = None
) -> Dependencies:
    """All adapters on one pool and one connection; tests may pass another `ledger`."""
    window = settings.batch_max * 2
    usage = PostgresUsage(pool, settings.usage_days)
    payloads = PayloadStore.open(settings.artifacts_url, settings.s3)
    artifacts = ArtifactStore.open(settings.artifacts_url, settings.s3)
    files = ErasedObjects(artifacts, payloads, TemplateStore.open(settings.artifacts_url, settings.s3))
    return Dependencies(
        ledger=ledger or PostgresLedger(pool, RandomIds(), family_open_max=settings.family_open_max),
        due=PostgresDue(pool),
        tasks=PostgresTasks(pool),
        templates=PostgresTemplates(pool),
        upkeep=PostgresUpkeep(pool),
        levels=PostgresLevels(pool),
        aging={
            "ended_keys": PostgresEndedKeys(pool, settings.ended_keys_days),
            "hooks": PostgresHookRows(pool, settings.hook_deliveries_days),
            "usage": usage,
            "endpoints": PostgresEndpointRows(pool, settings.endpoint_messages_days),
        },
        endpoints=EndpointRows(
            history=PostgresEndpointHistory(pool),
            fan_out=PostgresFanOut(pool, pending_max=settings.endpoint_pending_max, kept=MESSAGES_KEPT),
        ),
        retention=PostgresRetention(pool),
        streams=JetStreams(Topology(bus, settings.streams), bus),
        bus=bus,
        results=PullLoop(bus, subjects.STREAM_ENGINE, subjects.CONSUMER_RESULTS, window=window),
        triggers=PullLoop(bus, subjects.STREAM_ENGINE, subjects.CONSUMER_TRIGGERS, window=READ_AHEAD),
        events=PullLoop(bus, subjects.STREAM_EVENTS, subjects.CONSUMER_EVENTS, window=window),
        produced=EventStream(bus),
        event_rows=PostgresEvents(pool, RandomIds()),
        event_publisher=JetStreamEvents(bus),
        history=PostgresLifecycle(pool, RandomIds()),
        lifecycle=JetStreamLifecycle(bus),
        schedules=PostgresSchedules(pool, RandomIds()),
        dead_letters=PostgresQuarantine(pool, RandomIds()),
        flow=PostgresFlow(pool),
        families=PostgresFamilies(pool),
        collected=PostgresCollections(pool, RandomIds(), settings.schedule_correlation_days),
        usage=usage,
        erasing=Erasing(PostgresErasures(pool), files),
        engine=engine,
        payloads=payloads,
        monotonic=SystemClock(),
    )
