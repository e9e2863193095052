"""The gateway as one object that is opened, served and drained, by `main.py` and by tests."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from visapi_common.adapters.bus import Bus
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.pool_meter import open_metered_pool
from visapi_common.contracts import subjects
from visapi_common.core.errors import TransientFault
from visapi_common.runtime.isolation import kept_alive
from visapi_common.runtime.service import Lifecycle
from visapi_common.telemetry.logs import get_logger
from visapi_common.templates import renderer
from visapi_engine.process import jobs as engine_jobs
from visapi_gateway.kernel.api.idempotent_calls import IdempotentCalls
from visapi_gateway.kernel.api.mount import Gate, build_app
from visapi_gateway.kernel.asgi.access_log import AccessLog, NoAccessLog
from visapi_gateway.kernel.asgi.capacity import Capacity, open_capacity
from visapi_gateway.kernel.asgi.cors import CrossOrigin
from visapi_gateway.kernel.asgi.http import Asgi
from visapi_gateway.kernel.asgi.paths import Paths
from visapi_gateway.kernel.asgi.server import HttpServer
from visapi_gateway.kernel.asgi.shell import Shell
from visapi_gateway.kernel.bounded_jobs import BoundedJobs
from visapi_gateway.kernel.fair_pool import FairPool
from visapi_gateway.kernel.idempotency.hashes import RequestHashes
from visapi_gateway.kernel.messages import Messages
from visapi_gateway.kernel.slice import Kernel
from visapi_gateway.keys.slice import keyring
from visapi_gateway.rates.slice import RATES_CHANGED, allowances, rate_book
from visapi_gateway.runs.reading.slice import live_hub
from visapi_gateway.runs.starting.slice import run_commits
from visapi_gateway.settings import GatewaySettings
from visapi_gateway.slices import SLICES, operations
from visapi_gateway.system.slice import system

START_RETRY_S = 0.5
SESSION = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Session settings of the pool. Planning a read of a partitioned table takes longer than the read, so plans
are kept. A plan made for an empty table must not scan the table once it is full.
"""


class Gateway:
    """All slices, mounted. `run` serves until the lifecycle stops."""

    def __init__(self, settings: GatewaySettings, lifecycle: Lifecycle, pool: Pool, bus: Bus) -> None:
        bus.count_in(lifecycle.metrics)
        jobs = [job for each in SLICES for job in each.jobs]
        self._lifecycle = lifecycle
        self._kernel = kernel = Kernel(
            settings,
            lifecycle,
            pool=pool,
            messages=Messages(bus),
            jobs=BoundedJobs(jobs, lifecycle.metrics, [engine_jobs.WARM_UP, renderer.WARM_UP]),
            operations=operations(),
        )
        self.keys, self._rates = kernel.one(keyring), kernel.one(rate_book)
        self._system = kernel.one(system)
        self._hub, self._accepting = kernel.one(live_hub), kernel.one(run_commits)
        capacity = open_capacity(settings, kernel.metrics, lambda: self._system.draining)
        self.api = build_api(kernel, capacity)
        """What the server serves."""
        self._server = HttpServer(self.api, capacity, settings.http_host, settings.http_port)

    @property
    def port(self) -> int:
        return self._server.port

    async def run(self) -> None:
        """Serve until the lifecycle stops and every accepted request is answered."""
        await self._load_keys()
        await self._listen()
        await self._system.check()
        get_logger("gateway").info("listening", port=self.port)
        async with asyncio.TaskGroup() as group:
            upkeep = [
                group.create_task(kept_alive(name, work, self._kernel.metrics))
                for each in SLICES
                for name, work in each.upkeep(self._kernel)
            ]
            lanes = group.create_task(self._accepting.run())
            serving = group.create_task(self._server.serve())
            await self._lifecycle.stopping.wait()
            self._system.drain()
            self._hub.close()
            self._server.stop()
            await serving
            await self._kernel.jobs.close()
            self._accepting.close()
            await lanes
            for task in upkeep:
                task.cancel()

    async def _listen(self) -> None:
        messages = self._kernel.messages
        messages.on_connection(self._hub.connection_changed)
        messages.on_connection(self.keys.reload_soon)
        messages.on_connection(self._rates.reload_soon)
        await messages.subscribe(subjects.live_all(), self._hub.receive)
        await messages.subscribe(subjects.CONTROL_KEYS, self._keys_changed)

    def _keys_changed(self, _: str, changed: bytes) -> None:
        if changed != RATES_CHANGED:
            self.keys.key_changed(changed.decode("latin-1"))
        self._rates.reload_soon()

    async def _load_keys(self) -> None:
        while not self._lifecycle.stopping.is_set():
            try:
                await self.keys.load()
                await self._rates.load()
                return
            except TransientFault as away:
                get_logger("gateway").warning("waiting_for_postgres", error=str(away))
                await asyncio.sleep(START_RETRY_S)


def build_api(kernel: Kernel, capacity: Capacity) -> Asgi:
    """The ASGI application that the server serves."""
    settings = kernel.settings
    routes = [route for each in SLICES for route in each.routes(kernel)]
    assert {id(route.operation) for route in routes} == {id(each) for each in kernel.operations}
    gate = Gate(kernel.one(keyring), kernel.one(allowances), kernel.metrics, kernel.jobs.read_json)
    once = IdempotentCalls(kernel.used_keys.answer, RequestHashes(settings.link_secret, kernel.clock))
    shell = Shell(
        build_app(routes, gate, once),  # pyright: ignore[reportArgumentType] (Litestar's ASGI types are narrower)
        paths=Paths((operation.method, operation.path) for operation in kernel.operations),
        spans=kernel.spans,
        log=AccessLog(kernel.clock.now) if settings.access_log else NoAccessLog(),
        capacity=capacity,
        new_id=lambda: str(kernel.ids.uuid7()),
    )
    return CrossOrigin(shell, settings.cors_origins) if settings.cors_origins else shell


@asynccontextmanager
async def open_gateway(settings: GatewaySettings, lifecycle: Lifecycle) -> AsyncGenerator[Gateway]:
    """Connect to PostgreSQL (waiting for it) and to NATS (not waiting), then wire the gateway."""
    pool = await _open_pool(settings, lifecycle)
    bus = await Bus.connect(settings.nats_urls, "visapi-gateway", access=settings.nats_access("gateway"))
    try:
        yield Gateway(settings, lifecycle, pool, bus)
    finally:
        await bus.close()
        pool.terminate()


async def _open_pool(settings: GatewaySettings, lifecycle: Lifecycle) -> Pool:
    while True:
        try:
            size = settings.postgres_connections
            return await open_metered_pool(
                settings.postgres_urls,
                size=size,
                application="gateway",
                session=SESSION,
                metrics=lifecycle.metrics,
                pooler=settings.postgres_pooler,
                shared_by=partial(FairPool, size=size),
            )
        except TransientFault as away:
            if lifecycle.stopping.is_set():
                raise
            get_logger("gateway").warning("waiting_for_postgres", error=str(away))
            await asyncio.sleep(START_RETRY_S)
