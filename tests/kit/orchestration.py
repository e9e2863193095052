"""A whole orchestrator on real servers, a gateway and workers in miniature that speak the wire contracts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import msgspec

from kit.gateway_rows import GatewayRows
from kit.mini_worker import (
    TENANT,
    Answering,
    MiniWorker,
    completed,
    faulted,
    publish,
    uncertain,
)
from kit.servers import Database, NatsServer
from kit.waiting import LIMIT_S, eventually
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxHint, Trigger, WorkflowRef
from visapi_common.contracts.payloads import Payload, inline
from visapi_common.core.keyrings import Keyring
from visapi_common.runtime.service import Lifecycle
from visapi_common.telemetry.setup import Telemetry, open_metrics
from visapi_common.telemetry.spans import Spans
from visapi_engine.compile.compiler import compile_definition
from visapi_engine.model.listeners import listener_of
from visapi_engine.model.program import decode_program, encode_program
from visapi_engine.process.pool import EnginePool
from visapi_engine.process.protocol import Limits
from visapi_orchestrator.events.lifecycle_relay import History, LifecycleStream
from visapi_orchestrator.opening import dependencies_of
from visapi_orchestrator.orchestrator import Orchestrator
from visapi_orchestrator.settings import OrchestratorSettings
from visapi_orchestrator.transitions.ports import Payloads
from visapi_orchestrator.transitions.store.ledger import SESSION, PostgresLedger
from visapi_orchestrator.upkeep.store.upkeep import PostgresUpkeep

__all__ = [
    "TENANT",
    "MiniWorker",
    "Stack",
    "completed",
    "eventually",
    "faulted",
    "output_of",
    "publish",
    "uncertain",
]

SECRET = b"k" * 32
_encode = msgspec.json.encode


class MiniGateway:
    """Deploys, accepts and reads, as the gateway does."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self.pool = pool
        self.bus = bus
        self.ids = RandomIds()
        self.rows = GatewayRows(pool)
        self._deployed: dict[str, tuple[WorkflowRef, str]] = {}

    async def deploy(
        self,
        name: str,
        do: str,
        *,
        version: str = "1.0.0",
        settings: str = "{}",
        tenant: str = TENANT,
        listener: UUID | None = None,
    ) -> None:
        """`listener`: the run that listens for the events of the schedule; else see `listen`."""
        head = f"name: {name}, version: '{version}', metadata: {{visapi: {settings}}}"
        source = f"document: {{dsl: '1.0.3', namespace: test, {head}}}\n{do}"
        compiled = compile_definition(source.encode(), "application/yaml")
        await self.rows.deploy(compiled, name, version, source, tenant, listener=listener)
        self._deployed[name] = (WorkflowRef("test", name, version), compiled.hash)

    async def listen(self, name: str) -> UUID:
        """Start the listener of the workflow's schedule, and end the one before, as a deployment does."""
        ref, program = self._deployed[name]
        body = await self.pool.fetchval("select body from programs where hash = decode($1, 'hex')", program)
        found, run = decode_program(body), self.ids.uuid7()
        assert found.schedule_on is not None
        version = (TENANT, ref.namespace, ref.name, ref.version)
        await self.rows.put_listener(run, version, encode_program(listener_of(found, found.schedule_on)))
        return run

    def deployed(self, name: str) -> tuple[WorkflowRef, str]:
        return self._deployed[name]

    def trigger(
        self, name: str, value: Any = None, *, trace: str | None = None, tenant: str = TENANT
    ) -> Trigger:
        ref, program = self._deployed[name]
        return Trigger(
            run=self.ids.uuid7(),
            tenant=tenant,
            workflow=ref,
            program=program,
            input=inline(_encode(value)),
            created_at=datetime.now(UTC),
            trace=trace,
        )

    async def accept(self, trigger: Trigger) -> None:
        """The commit that is the promise."""
        await self.rows.accept(trigger)

    def announce(self, trigger: Trigger) -> None:
        self.bus.publish(subjects.trigger(trigger.run), _encode(trigger), {"Nats-Msg-Id": str(trigger.run)})

    async def start(
        self, name: str, value: Any = None, *, announce: bool = True, tenant: str = TENANT
    ) -> UUID:
        trigger = self.trigger(name, value, tenant=tenant)
        await self.accept(trigger)
        if announce:
            self.announce(trigger)
        return trigger.run

    async def tell(
        self, run: UUID, kind: str, *, key: str | None = None, hint: bool = True, **body: Any
    ) -> None:
        await self.rows.tell(run, TENANT, kind, key or kind, {"actor": "tester", **body})
        if hint:
            self.bus.publish(subjects.inbox(run), _encode(InboxHint(run)))

    async def done(self, run: UUID) -> Mapping[str, Any] | None:
        return await self.pool.fetchrow("select * from runs_done where id = $1", run)

    async def ended(self, run: UUID, *, within_s: float = LIMIT_S) -> Mapping[str, Any]:
        return await eventually(lambda: self.done(run), within_s=within_s)

    async def live(self, run: UUID) -> Mapping[str, Any] | None:
        return await self.pool.fetchrow("select * from runs where id = $1", run)

    async def status(self, run: UUID) -> str | None:
        return await self.pool.fetchval(
            "select status from runs where id = $1 union all select status from runs_done where id = $1", run
        )

    async def history(self, run: UUID) -> list[dict[str, Any]]:
        rows = await self.pool.fetch("select items from history where run = $1 order by first_seq", run)
        return [item for row in rows for item in msgspec.json.decode(row["items"])]

    async def count(self, table: str, run: UUID) -> int:
        return await self.pool.fetchval(f"select count(*) from {table} where run = $1", run)


def output_of(row: Mapping[str, Any]) -> Any:
    payload = msgspec.json.decode(row["output"], type=Payload)
    assert payload.inline is not msgspec.UNSET
    return msgspec.json.decode(payload.inline)


class Stack:
    """The servers of one test, and what runs on them."""

    def __init__(self, database: Database, nats: NatsServer, folder: Path) -> None:
        self.database = database
        self.nats = nats
        self.folder = folder
        """Where the artifact store is."""
        self._exits = AsyncExitStack()
        self.group = asyncio.TaskGroup()
        self.gateway: MiniGateway

    async def __aenter__(self) -> Self:
        await self.group.__aenter__()
        pool = await open_pool(self.database.superuser, size=4, application="test")
        self._exits.push_async_callback(pool.close)
        bus = await self.bus()
        self.gateway = MiniGateway(pool, bus)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()
        await self.group.__aexit__(kind, error, trace)

    async def bus(self) -> Bus:
        bus = await Bus.connect(self.nats.url("admin"), "test")
        self._exits.push_async_callback(bus.close)
        return bus

    async def worker(
        self, *functions: str, answer: Answering = completed, owner: str = TENANT, at_once: int = 1000
    ) -> MiniWorker:
        worker = MiniWorker(await self.bus(), list(functions), answer, owner)
        worker.at_once = at_once
        await worker.run(self.group)
        self._exits.push_async_callback(worker.stop)
        return worker

    def settings(self, **more: Any) -> OrchestratorSettings:
        return OrchestratorSettings(
            postgres_url=more.pop("postgres_url", self.database.orchestrator),
            nats_url=self.nats.url("orchestrator"),
            artifacts_url=more.pop("artifacts_url", f"file://{self.folder}"),
            effect_secret=Keyring.of(SECRET),
            handle_secret=Keyring.of(SECRET),
            engine_processes=1,
            **more,
        )

    @asynccontextmanager
    async def orchestrator(
        self,
        spans: Spans | None = None,
        around_ledger: Callable[[PostgresLedger], Any] = lambda ledger: ledger,
        around_history: Callable[[History], Any] = lambda history: history,
        around_lifecycle: Callable[[LifecycleStream], Any] = lambda lifecycle: lifecycle,
        around_payloads: Callable[[Payloads], Any] = lambda payloads: payloads,
        **more: Any,
    ) -> AsyncIterator[Lifecycle]:
        """An orchestrator in this process, on connections of its own, drained at the end.

        `around_…` may put something between it and what it works with, such as a lossy connection.
        """
        settings = self.settings(**more)
        lifecycle = Lifecycle("orchestrator", Telemetry(spans or Spans(), open_metrics()))
        pool = await open_pool(
            settings.postgres_url,
            size=8,
            application="orchestrator",
            session=SESSION,
            pooler=settings.postgres_pooler,
        )
        bus = await Bus.connect(settings.nats_url, "orchestrator")
        bus.count_in(lifecycle.metrics)
        engine = EnginePool(1, PostgresUpkeep(pool).program, Limits())
        ledger = around_ledger(PostgresLedger(pool, RandomIds(), family_open_max=settings.family_open_max))
        dependencies = dependencies_of(pool, bus, engine, settings, ledger=ledger)
        dependencies = msgspec.structs.replace(
            dependencies,
            history=around_history(dependencies.history),
            lifecycle=around_lifecycle(dependencies.lifecycle),
            payloads=around_payloads(dependencies.payloads),
        )
        await engine.start()
        running = asyncio.create_task(Orchestrator(dependencies, settings, lifecycle).run())
        try:
            yield lifecycle
        finally:
            lifecycle.stop()
            async with asyncio.timeout(10):
                await running
            await engine.stop()
            await bus.close()
            pool.terminate()
