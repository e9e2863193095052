"""A notifier's parts on a real ledger, with a task to deliver."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from kit.ledger_rows import overwrite
from kit.servers import Database
from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.clock import RandomIds, SystemClock
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.telemetry.setup import open_metrics
from visapi_notifier.delivery.deliver import Deliverer
from visapi_notifier.delivery.leases import LeaseKeeper
from visapi_notifier.delivery.store import PostgresLedger


def task(key: str = "a1" * 32, **changes: Any) -> TaskMessage:
    """A task under an effect key."""
    fields: dict[str, Any] = {
        "run": RandomIds().uuid7(),
        "path": "/do/0/send",
        "attempt": 1,
        "tenant": "default",
        "function": "notify.email",
        "workflow": WorkflowRef("test", "notifier", "1.0.0"),
        "name": "send",
        "pointer": "/do/0/send",
        "input": inline(b"null"),
        "effect_key": key,
        "token": "t",
        "reply": "visapi.engine.0.result",
    }
    return TaskMessage(**{**fields, **changes})


class Replica:
    """One notifier process's delivery protocol."""

    def __init__(self, pool: Pool, payloads: PayloadStore | None) -> None:
        self.pool = pool
        self.clock = SystemClock()
        self.ledger = PostgresLedger(pool, payloads)
        self.leases = LeaseKeeper(self.ledger, self.clock)
        ids = RandomIds()
        self.deliverer = Deliverer(
            self.ledger,
            self.leases,
            self.clock,
            open_metrics(),
            new_owner=lambda: str(ids.uuid7()),
            draw=lambda: 0.0,
        )


@asynccontextmanager
async def running(replica: Replica) -> AsyncIterator[Replica]:
    background = [asyncio.ensure_future(replica.ledger.run()), asyncio.ensure_future(replica.leases.run())]
    try:
        yield replica
    finally:
        for job in background:
            job.cancel()
        await asyncio.wait(background)


@pytest.fixture
async def pool(postgres_db: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(postgres_db.notifier, size=4, application="test")
    yield opened
    opened.terminate()


@pytest.fixture
async def replica(pool: Pool, tmp_path: Any) -> AsyncIterator[Replica]:
    async with running(Replica(pool, PayloadStore.open(f"file://{tmp_path}"))) as started:
        yield started


@pytest.fixture
async def other_replica(pool: Pool, tmp_path: Any) -> AsyncIterator[Replica]:
    async with running(Replica(pool, PayloadStore.open(f"file://{tmp_path}"))) as started:
        yield started


@pytest.fixture
def make_task() -> Callable[..., TaskMessage]:
    return task


@pytest.fixture
async def lapse(pool: Pool) -> Callable[[], Any]:
    """Every lease is over: what a crashed process leaves behind after 4 s."""

    async def end_leases() -> None:
        over = datetime.now(UTC) - timedelta(seconds=1)
        await overwrite(pool, "deliveries", {"state": "started"}, lease_until=over)

    return end_leases


@pytest.fixture
async def row(pool: Pool) -> Callable[[str], Any]:
    async def read(key: str) -> Any:
        return await pool.fetchrow("select * from deliveries where effect_key = $1", key)

    return read


RUN = UUID(int=0)
