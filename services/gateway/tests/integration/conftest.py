"""A gateway on real PostgreSQL and NATS, served on a port of its own, inside the test's event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from kit.gateway_rows import GatewayRows
from kit.orchestrator_rows import OrchestratorRows
from kit.servers import Database, NatsServer
from kit.tenants import put_key
from kit.waiting import eventually
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import open_pool
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.core.keyrings import Keyring
from visapi_common.core.scopes import OPERATOR_SCOPES
from visapi_common.runtime.service import Lifecycle
from visapi_common.telemetry.logs import LogTap
from visapi_common.telemetry.setup import TelemetryOptions, open_telemetry
from visapi_gateway.gateway import Gateway, open_gateway
from visapi_gateway.settings import GatewaySettings
from visapi_orchestrator.transitions.ports import Ledger
from visapi_orchestrator.transitions.store.ledger import SESSION

PEPPER = bytes(range(32))

HELLO = """
document: {dsl: '1.0.3', namespace: demo, name: hello, version: '1.0.0', title: Hello}
do:
  - greet:
      set: {text: '${ "Hello " + .name }'}
"""

STRICT = """
document: {dsl: '1.0.3', namespace: demo, name: strict, version: '1.0.0'}
input:
  schema:
    format: json
    document:
      type: object
      required: [name]
      properties: {name: {type: string}, age: {type: integer, minimum: 0}}
      additionalProperties: false
do:
  - greet:
      set: {text: '${ .name }'}
"""


class Running:
    """A served gateway and a client of tenant `default` that may do everything."""

    hello = HELLO
    strict = STRICT
    until = staticmethod(eventually)

    def __init__(
        self,
        gateway: Gateway,
        lifecycle: Lifecycle,
        db: asyncpg.Connection,
        admin: str,
        *,
        rows: GatewayRows,
        orchestrator: OrchestratorRows,
    ) -> None:
        self.stopped: asyncio.Task[None] | None = None
        self.api = gateway.api
        self.base = f"http://127.0.0.1:{gateway.port}"
        self.key_stored: Callable[[], None] = lambda: None
        """Tells the gateway that a key was stored behind its back."""
        self.authenticate: Callable[[str], object] = lambda _: None
        """Checks a key as each request does."""
        self.lifecycle = lifecycle
        self.db = db
        self.admin = admin
        self.rows = rows
        self.orchestrator = orchestrator
        self.ledger: Ledger = orchestrator.ledger
        """Writes transitions, as the orchestrator does."""
        self.http = self.client(admin)

    def client(self, key: str | None) -> httpx.AsyncClient:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=60.0, trust_env=False)

    async def key(self, tenant: str = "default", scopes: tuple[str, ...] = ("*",), kind: str = "live") -> str:
        key = await store_key(self.db, tenant, scopes, kind)
        self.key_stored()
        return key

    async def deploy(self, source: str = HELLO) -> httpx.Response:
        return await self.http.post(
            "/v1/workflows", content=source, headers={"Content-Type": "application/yaml"}
        )

    async def accepted(
        self,
        tenant: str = "default",
        namespace: str = "demo",
        name: str = "hello",
        version: str = "1.0.0",
        *,
        run: UUID | None = None,
    ) -> UUID:
        """An accepted run of a workflow that nobody need have deployed."""
        ref, of = WorkflowRef(namespace, name, version), run or RandomIds().uuid7()
        await self.rows.accept(Trigger(of, tenant, ref, "00" * 32, NULL, datetime.now(UTC)))
        return of

    async def progress(self, run: str, types: list[str], **how: Any) -> None:
        """A transition with history items of these types; see `write`."""
        first = await self.orchestrator.seq(UUID(run)) + 1
        task = {"name": "a", "pointer": "/do/0/a"}
        items = [
            {"seq": seq, "type": kind, "time": "2026-01-01T00:00:00Z", "task": task}
            for seq, kind in enumerate(types, first)
        ]
        await self.write(run, msgspec.json.encode(items), len(items), **how)

    async def write(self, run: str, items: bytes, count: int, **how: Any) -> None:
        """See `OrchestratorRows.write`."""
        await self.orchestrator.write(UUID(run), items, count, **how)

    async def start(self, value: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.http.post("/v1/workflows/demo/hello/runs", json=value, headers=named)


async def store_key(db: asyncpg.Connection, tenant: str, scopes: tuple[str, ...], kind: str) -> str:
    return await put_key(db, tenant, PEPPER, scopes=scopes, kind=kind)


def settings_for(database: Database, nats_url: str, folder: Path, **changes: Any) -> GatewaySettings:
    plain = GatewaySettings(
        postgres_url=database.gateway,
        nats_url=nats_url,
        artifacts_url=(folder / "artifacts").as_uri(),
        key_pepper=Keyring.of(PEPPER),
        link_secret=Keyring.of(bytes(range(32, 64))),
        sealing_key=Keyring.of(bytes(range(64, 96))),
        http_port=0,
        access_log=False,
        postgres_connections=6,
    )
    return msgspec.structs.replace(plain, **changes)


@asynccontextmanager
async def running(settings: GatewaySettings, database: Database) -> AsyncIterator[Running]:
    """Serve until the block ends, then drain."""
    lifecycle = Lifecycle("gateway", open_telemetry("gateway", TelemetryOptions(), LogTap()))
    db = await asyncpg.connect(database.superuser)
    admin = await store_key(db, "default", ("*", *OPERATOR_SCOPES), "admin")
    pool = await open_pool(database.orchestrator, size=1, application="orchestrator", session=SESSION)
    world = await open_pool(database.superuser, size=1, application="test")
    async with open_gateway(settings, lifecycle) as gateway:
        serving = asyncio.create_task(gateway.run())
        run = Running(
            gateway, lifecycle, db, admin, rows=GatewayRows(world), orchestrator=OrchestratorRows(pool)
        )
        run.stopped, run.key_stored = serving, gateway.keys.reload_soon
        run.authenticate = gateway.keys.authenticate

        async def ready() -> bool:
            if serving.done():
                serving.result()
            return (await run.http.get("/readyz")).status_code == 200

        try:
            await eventually(ready)
            yield run
        finally:
            lifecycle.stop()
            async with asyncio.timeout(15):
                await serving
            await run.http.aclose()
            db.terminate()
            pool.terminate()
            world.terminate()


Serve = Callable[..., Any]


@pytest.fixture
def serve(postgres_db: Database, tmp_path: Path) -> Serve:
    """Opens a gateway on this test's database, on a given NATS, with changed settings."""

    def opened(nats: NatsServer, **changes: Any) -> Any:
        return running(settings_for(postgres_db, nats.url("gateway"), tmp_path, **changes), postgres_db)

    return opened


@pytest.fixture
async def gateway(postgres_db: Database, shared_nats: NatsServer, tmp_path: Path) -> AsyncIterator[Running]:
    settings = settings_for(postgres_db, shared_nats.url("gateway"), tmp_path)
    async with running(settings, postgres_db) as run:
        yield run
