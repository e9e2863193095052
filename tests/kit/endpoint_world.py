"""A ledger with endpoints, a receiver of their webhooks, and notifiers that send."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from kit.endpoint_receiver import EndpointReceiver, endpoint_receiver
from kit.endpoint_rows import add_messages
from kit.ledger_rows import overwrite, plant
from kit.servers import Database
from kit.tenants import add_tenants
from kit.waiting import eventually
from visapi_common.adapters.clock import RandomIds, SystemClock
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.core.egress_policy import policy_from
from visapi_common.core.keyrings import Keyring
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.core.sealing import NONCE_BYTES, name_of_endpoint_secret, seal
from visapi_common.telemetry.setup import open_metrics
from visapi_notifier.endpoints.rules import GivenUp
from visapi_notifier.endpoints.sending import Sender
from visapi_notifier.endpoints.store import PostgresEndpoints
from visapi_notifier.opening import EgressClient

KEYS = Keyring.of(b"s" * 32)
SECRET = "whsec_" + "QUJD" * 8
IDS = RandomIds()
Exchange = Callable[[Outbound], Awaitable[Inbound]]


class World:
    """A ledger with endpoints, and notifiers that send."""

    def __init__(self, db: Pool, pool: Pool, receiver: EndpointReceiver, client: EgressClient) -> None:
        self.db = db
        self.pool = pool
        self.receiver = receiver
        self.client = client
        self.metrics = open_metrics()
        self.given_up: list[GivenUp] = []
        """The dead letters that were announced."""

    async def endpoint(self, name: str, *, tenant: str = "default", url: str = "", **more: Any) -> UUID:
        ident, secret = IDS.uuid7(), IDS.uuid7()
        path = f"/{name}"
        self.receiver.secrets[path] = SECRET
        fields: dict[str, Any] = {
            "types": ["*"],
            "wants": 7,
            "created_by": "test",
            "updated_by": "test",
            **more,
        }
        where = url or self.receiver.url(path)
        await plant(self.db, "endpoints", tenant=tenant, id=ident, name=name, url=where, **fields)
        key, under = KEYS.keys[0], name_of_endpoint_secret(ident, secret)
        sealed = seal(key.secret, SECRET.encode(), tenant=tenant, name=under, nonce=b"n" * NONCE_BYTES)
        kept = {"sealed": sealed, "sealed_with": key.id, "created_by": "test"}
        await plant(self.db, "endpoint_secrets", tenant=tenant, endpoint=ident, id=secret, **kept)
        return ident

    async def write(self, endpoint: UUID, number: int = 1, *, tenant: str = "default") -> None:
        await add_messages(self.db, endpoint, number, tenant=tenant)

    @asynccontextmanager
    async def sending(self, exchange: Exchange | None = None, owner: str = "one") -> AsyncIterator[Sender]:
        rows = PostgresEndpoints(self.pool, KEYS, owner)
        clock, announce = SystemClock(), self.given_up.append
        client = exchange or self.client
        sender = Sender(rows, client, clock, self.metrics, draw=lambda: 0.5, announce=announce)
        stopping = asyncio.Event()
        task = asyncio.create_task(sender.run(stopping))
        try:
            yield sender
        finally:
            stopping.set()
            await task

    async def states(self, endpoint: UUID) -> Counter[str]:
        rows = await self.db.fetch("select state from visapi.endpoint_messages where endpoint = $1", endpoint)
        return Counter(row["state"] for row in rows)

    async def delivered(self, endpoint: UUID, number: int, *, within_s: float = 20) -> None:
        async def all_of_them() -> bool:
            return (await self.states(endpoint))["delivered"] == number

        await eventually(all_of_them, within_s=within_s)

    async def hurry(self, endpoint: UUID) -> None:
        """What waits for its next attempt is due."""
        await overwrite(
            self.db, "endpoint_messages", {"endpoint": endpoint, "state": "pending"}, next_at=await self.now()
        )

    async def now(self) -> Any:
        return await self.db.fetchval("select now()")

    async def row(self, endpoint: UUID) -> Any:
        return await self.db.fetchrow("select * from visapi.endpoints where id = $1", endpoint)


@asynccontextmanager
async def endpoint_world(database: Database) -> AsyncIterator[World]:
    db = await open_pool(database.superuser, size=2, application="test")
    pool = await open_pool(database.notifier, size=4, application="notifier")
    await add_tenants(db, "default", "other", "third")
    client = EgressClient(policy_from(["127.0.0.0/8"], {}))
    async with endpoint_receiver() as receiver:
        yield World(db, pool, receiver, client)
    await client.close()
    await pool.close()
    await db.close()
