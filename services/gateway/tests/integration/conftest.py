"""A gateway on real PostgreSQL and NATS, served on a port of its own, inside the test's event loop."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from kit.servers import Database, NatsServer
from kit.waiting import eventually
from visapi_common.core import api_keys
from visapi_common.runtime.service import Lifecycle
from visapi_common.telemetry.setup import open_telemetry
from visapi_gateway.gateway import open_gateway
from visapi_gateway.settings import GatewaySettings

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

    def __init__(self, base: str, lifecycle: Lifecycle, db: asyncpg.Connection, admin: str) -> None:
        self.stopped: asyncio.Task[None] | None = None
        self.base = base
        self.lifecycle = lifecycle
        self.db = db
        self.admin = admin
        self.http = self.client(admin)

    def client(self, key: str | None) -> httpx.AsyncClient:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=60.0, trust_env=False)

    async def key(self, tenant: str = "default", scopes: tuple[str, ...] = ("*",), kind: str = "live") -> str:
        return await store_key(self.db, tenant, scopes, kind)

    async def deploy(self, source: str = HELLO) -> httpx.Response:
        return await self.http.post(
            "/v1/workflows", content=source, headers={"Content-Type": "application/yaml"}
        )

    async def progress(
        self, run: str, types: list[str], *, status: str = "running", end: bool = False
    ) -> None:
        """Write one transition as the orchestrator does; `end` moves the run to `runs_done`."""
        seq: Any = await self.db.fetchval("select seq from visapi.runs where id = $1", run)
        items = [
            {
                "seq": seq + n,
                "type": kind,
                "time": "2026-01-01T00:00:00Z",
                "task": {"name": "a", "pointer": "/do/0/a"},
            }
            for n, kind in enumerate(types, 1)
        ]
        async with self.db.transaction():
            await self.db.execute(
                "insert into visapi.history (run, first_seq, last_seq, tenant, items)"
                " select id, $2, $3, tenant, $4 from visapi.runs where id = $1",
                run,
                seq + 1,
                seq + len(types),
                msgspec.json.encode(items),
            )
            await self.db.execute(
                "update visapi.runs set seq = $2, revision = revision + 1, status = $3 where id = $1",
                run,
                seq + len(types),
                "running" if end else status,
            )
            if end:
                await self.db.execute(
                    "with gone as (delete from visapi.runs where id = $1 returning *)"
                    " insert into visapi.runs_done (id, tenant, namespace, name, version, program, status, revision,"
                    " seq, priority, retention, trace, input, output, started_by, created_at, ended_at)"
                    " select id, tenant, namespace, name, version, program, $2, revision, seq, priority, retention,"
                    " trace, input, $3, started_by, created_at, now() from gone",
                    run,
                    status,
                    b'{"inline":{"ok":true}}',
                )

    async def start(self, value: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.http.post("/v1/workflows/demo/hello/runs", json=value, headers=named)


async def store_key(db: asyncpg.Connection, tenant: str, scopes: tuple[str, ...], kind: str) -> str:
    token = api_keys.mint(kind, secrets.randbits(128), secrets.randbits(256))
    await db.execute("insert into visapi.tenants (id) values ($1) on conflict do nothing", tenant)
    await db.execute(
        "insert into visapi.api_keys (id, tenant, kind, name, hash, scopes, created_by)"
        " values ($1, $2, $3, 'test', $4, $5, 'test')",
        api_keys.parse(token).id,
        tenant,
        kind,
        api_keys.hash_key(PEPPER, token),
        list(scopes),
    )
    return token


def settings_for(database: Database, nats_url: str, folder: Path, **changes: Any) -> GatewaySettings:
    plain = GatewaySettings(
        postgres_url=database.gateway,
        nats_url=nats_url,
        artifacts_url=(folder / "artifacts").as_uri(),
        key_pepper=PEPPER,
        link_secret=bytes(range(32, 64)),
        sealing_key=bytes(range(64, 96)),
        http_port=0,
        access_log=False,
        postgres_connections=6,
    )
    return msgspec.structs.replace(plain, **changes)


@asynccontextmanager
async def running(settings: GatewaySettings, database: Database) -> AsyncIterator[Running]:
    """Serve until the block ends, then drain."""
    lifecycle = Lifecycle("gateway", open_telemetry("gateway", otlp_endpoint=None, trace_sample=0.0))
    db = await asyncpg.connect(database.superuser)
    admin = await store_key(db, "default", ("*",), "admin")
    async with open_gateway(settings, lifecycle) as gateway:
        serving = asyncio.create_task(gateway.run())
        run = Running(f"http://127.0.0.1:{gateway.port}", lifecycle, db, admin)
        run.stopped = serving

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
