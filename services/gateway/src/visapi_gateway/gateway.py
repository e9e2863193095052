"""The gateway as one object: opened, served, drained. `main.py` and the tests both use it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from secrets import randbits, token_bytes

from visapi_common.adapters.artifacts import ArtifactStore, PayloadStore
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import RandomIds, SystemClock
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.core.errors import TransientFault
from visapi_common.core.sealing import NONCE_BYTES
from visapi_common.runtime.isolation import kept_alive
from visapi_common.runtime.service import Lifecycle
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.api import Surroundings, UseCases, build_api
from visapi_gateway.approvals.service import Approvals
from visapi_gateway.approvals.store import PgApprovalStore
from visapi_gateway.artifacts.service import Artifacts
from visapi_gateway.artifacts.store import ArtifactSource
from visapi_gateway.audit.service import Audit
from visapi_gateway.audit.store import AuditLog
from visapi_gateway.dead_letters.service import DeadLetters
from visapi_gateway.dead_letters.store import PgDeadLetterStore
from visapi_gateway.events.service import AcceptEvents
from visapi_gateway.events.store import PgEventLedger
from visapi_gateway.flow_limits.service import ReadLimits
from visapi_gateway.flow_limits.store import PgLimitStore
from visapi_gateway.kernel.access.authentication import KeyRing
from visapi_gateway.kernel.access.rates import Limit
from visapi_gateway.kernel.api.checks import RateLimits
from visapi_gateway.kernel.api.operation import ReadJson
from visapi_gateway.kernel.asgi.access_log import AccessLog, NoAccessLog
from visapi_gateway.kernel.asgi.flow import BODY_LIMIT
from visapi_gateway.kernel.asgi.places import Places, open_places
from visapi_gateway.kernel.asgi.server import HttpServer
from visapi_gateway.kernel.bounded_jobs import BoundedJobs
from visapi_gateway.kernel.fair_pool import FairPool
from visapi_gateway.kernel.messages import Messages
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.keys.service import Keys
from visapi_gateway.keys.store import PgKeyStore, mint_key
from visapi_gateway.retention.service import Retentions
from visapi_gateway.retention.store import PgRetentionStore
from visapi_gateway.runs.bulk.service import Bulk, Repeat
from visapi_gateway.runs.commands.retry import Retries
from visapi_gateway.runs.commands.service import Commands
from visapi_gateway.runs.reading.follow import FollowRun
from visapi_gateway.runs.reading.live import LiveHub
from visapi_gateway.runs.reading.service import RunViews
from visapi_gateway.runs.reading.store import RunStore
from visapi_gateway.runs.reading.whole_items import WholeItems
from visapi_gateway.runs.starting.accepting import Accepting
from visapi_gateway.runs.starting.open_runs import OpenRuns
from visapi_gateway.runs.starting.service import StartRun
from visapi_gateway.runs.starting.store import AcceptLedger
from visapi_gateway.schedules.service import Schedules
from visapi_gateway.schedules.store import PgScheduleStore
from visapi_gateway.secrets.service import Secrets
from visapi_gateway.secrets.store import PgSecretStore
from visapi_gateway.settings import GatewaySettings
from visapi_gateway.system.service import System
from visapi_gateway.workflows.compiling import Compiling
from visapi_gateway.workflows.definitions import Definitions
from visapi_gateway.workflows.input_checks import Checks
from visapi_gateway.workflows.service import Workflows
from visapi_gateway.workflows.simulating import Simulations
from visapi_gateway.workflows.store import WorkflowStore

START_RETRY_S = 0.5
SESSION = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Settings of the pool. Planning a read of a partitioned table takes longer than the read, so plans are
kept; tables may be empty when one is made, and it must not read a full one to its end later."""


class _Meter:
    """What accepting measures."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def batch(self, rows: int, seconds: float) -> None:
        self._metrics.accept_batch_rows.observe(rows)
        self._metrics.accept_commit_seconds.observe(seconds)


class Gateway:
    """All parts, wired. `run` serves until the lifecycle stops."""

    def __init__(self, settings: GatewaySettings, lifecycle: Lifecycle, pool: Pool, bus: Bus) -> None:
        clock, ids, self._lifecycle, self._bus = SystemClock(), RandomIds(), lifecycle, bus
        quotas, runs = _quotas(settings), RunStore(pool)
        keys, workflows = PgKeyStore(pool, quotas), WorkflowStore(pool, quotas)
        payloads = PayloadStore.open(settings.artifacts_url)
        messages = self._messages = Messages(bus)
        _count(bus, lifecycle.metrics)
        self._hub = LiveHub(lambda: bus.connected)
        self._keyring = KeyRing(keys, settings.key_pepper, clock)
        self._accepting = Accepting(AcceptLedger(pool), messages.trigger, _Meter(lifecycle.metrics))
        self._open_runs = OpenRuns(AcceptLedger(pool), self._accepting.accept)
        definitions, views = Definitions(workflows, clock), RunViews(runs, payloads.unpack)
        self._jobs = BoundedJobs(lifecycle.metrics)
        checks = Checks(self._jobs)
        compiling = Compiling(self._jobs.compile, keys.functions, checks.schema)
        release, hint = version("visapi-gateway"), messages.hint
        self._system = System(
            keys, lambda: bus.connected, lifecycle.ready, version=release, body_limit=BODY_LIMIT
        )
        deployed = Workflows(
            workflows, definitions, compiling, clock=clock, ids=ids, announce=messages.trigger
        )
        start = StartRun(definitions, checks, self._open_runs, payloads.pack, clock=clock, ids=ids)
        retries = Retries(runs, views, deployed, pack=payloads.pack, hint=hint)
        cases = UseCases(
            keyring=self._keyring,
            start=start,
            views=views,
            follow=FollowRun(runs, self._hub, WholeItems(payloads.unpack)),
            commands=Commands(runs, views, ids, hint),
            letters=DeadLetters(
                PgDeadLetterStore(pool), views, hint, messages.events_arrived, self._jobs.flaw_of_message
            ),
            retry=retries,
            bulk=Bulk(runs, retries=retries, repeat=Repeat(start, views), ids=ids, clock=clock, hint=hint),
            events=AcceptEvents(PgEventLedger(pool), checks.read_json, messages.events_arrived),
            workflows=deployed,
            simulate=Simulations(compiling, self._jobs.simulate, clock),
            schedules=Schedules(
                PgScheduleStore(pool), clock, partial(randbits, 80), hint, self._open_runs.refuse_full
            ),
            retentions=Retentions(PgRetentionStore(pool, quotas)),
            secrets=Secrets(
                PgSecretStore(pool, quotas), settings.sealing_key, partial(token_bytes, NONCE_BYTES)
            ),
            keys=Keys(keys, mint_key, self._key_changed, settings.key_pepper),
            audit=Audit(AuditLog(pool)),
            artifacts=Artifacts(
                ArtifactSource(ArtifactStore.open(settings.artifacts_url)), settings.link_secret, clock
            ),
            limits=ReadLimits(PgLimitStore(pool)),
            approvals=Approvals(PgApprovalStore(pool), hint),
            system=self._system,
        )
        places = open_places(settings, lifecycle.metrics, lambda: self._system.draining)
        around = _surroundings(settings, lifecycle, places, checks.read_json, release)
        self._server = HttpServer(build_api(cases, around), places, settings.http_host, settings.http_port)

    @property
    def port(self) -> int:
        return self._server.port

    async def run(self) -> None:
        """Serve until the lifecycle stops and all that was promised is said."""
        await self._load_keys()
        await self._messages.listen(self._hub, self._keyring)
        await self._system.check()
        get_logger("gateway").info("listening", port=self.port)
        async with asyncio.TaskGroup() as group:
            upkeep = [
                group.create_task(kept_alive(name, work, self._lifecycle.metrics))
                for name, work in (
                    ("keys", self._keyring.keep_fresh),
                    ("health", self._system.keep_checking),
                    ("open-runs", self._open_runs.keep_fresh),
                )
            ]
            accepting = group.create_task(self._accepting.run())
            serving = group.create_task(self._server.serve())
            await self._lifecycle.stopping.wait()
            self._system.drain()
            self._hub.close()
            self._server.stop()
            await serving
            await self._jobs.close()
            self._accepting.close()
            await accepting
            for task in upkeep:
                task.cancel()

    def _key_changed(self, key: str) -> None:
        self._keyring.reload_soon()
        self._messages.key_changed(key)

    async def _load_keys(self) -> None:
        while not self._lifecycle.stopping.is_set():
            try:
                await self._keyring.load()
                return
            except TransientFault as away:
                get_logger("gateway").warning("waiting_for_postgres", error=str(away))
                await asyncio.sleep(START_RETRY_S)


@asynccontextmanager
async def open_gateway(settings: GatewaySettings, lifecycle: Lifecycle) -> AsyncGenerator[Gateway]:
    """Connect to PostgreSQL (waiting for it) and to NATS (not waiting), then wire the gateway."""
    pool = await _open_pool(settings, lifecycle)
    bus = await Bus.connect(settings.nats_url, "visapi-gateway")
    try:
        yield Gateway(settings, lifecycle, pool, bus)
    finally:
        await bus.close()
        pool.terminate()


async def _open_pool(settings: GatewaySettings, lifecycle: Lifecycle) -> Pool:
    while True:
        try:
            size = settings.postgres_connections
            pool = await open_pool(
                settings.postgres_url, size=size, application="visapi-gateway", session=SESSION
            )
            return FairPool(pool, size)
        except TransientFault as away:
            if lifecycle.stopping.is_set():
                raise
            get_logger("gateway").warning("waiting_for_postgres", error=str(away))
            await asyncio.sleep(START_RETRY_S)


def _surroundings(
    settings: GatewaySettings, lifecycle: Lifecycle, places: Places, read_json: ReadJson, release: str
) -> Surroundings:
    clock, ids = SystemClock(), RandomIds()
    return Surroundings(
        metrics=lifecycle.metrics,
        spans=lifecycle.spans,
        log=AccessLog(clock.now) if settings.access_log else NoAccessLog(),
        rates=RateLimits(Limit(settings.key_rate_per_s, settings.key_burst), clock.monotonic),
        places=places,
        read_json=read_json,
        cursor_secret=settings.link_secret,
        new_id=lambda: str(ids.uuid7()),
        version=release,
    )


def _quotas(settings: GatewaySettings) -> Quotas:
    return Quotas(
        versions=settings.tenant_versions_max,
        schedules=settings.tenant_schedules_max,
        secrets=settings.tenant_secrets_max,
        keys=settings.tenant_keys_max,
        retentions=settings.tenant_retentions_max,
    )


def _count(bus: Bus, metrics: Metrics) -> None:
    bus.on_reconnect(metrics.nats_reconnects.inc)
    bus.on_handler_failure(metrics.nats_handler_failures.inc)
