"""A child that is started at the very moment at which its root is cancelled, in every order, on real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from kit.ledger_rows import Executor, lose, move_back, overwrite, plant
from kit.orchestration import TENANT, eventually
from kit.servers import Database
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.adapters.queries import load_queries
from visapi_orchestrator.transitions.relations.children import ChildRow
from visapi_orchestrator.transitions.relations.runs import EndedRun, LiveRun
from visapi_orchestrator.transitions.rules.ledger_answers import WriteResult
from visapi_orchestrator.transitions.rules.write_set import WriteSet
from visapi_orchestrator.transitions.store.families import PostgresFamilies, admit
from visapi_orchestrator.transitions.store.ledger import SESSION, PostgresLedger

GATEWAY_CANCELS = load_queries("visapi_gateway.runs.commands", "queries.sql")["cancel_families"]
WAITS = "select count(*) from pg_locks where not granted"


@pytest.fixture
async def pool(postgres_db: Database) -> AsyncIterator[Pool]:
    pool = await open_pool(postgres_db.orchestrator, size=8, application="test", session=SESSION)
    yield pool
    pool.terminate()


async def put(database: Executor, run: UUID, root: UUID | None, depth: int) -> None:
    """A run whose transitions are not under test."""
    flow = {"namespace": "n", "name": "w", "version": "1.0.0", "program": b"p", "partition": 0}
    more = {"tenant": TENANT, "input": b'{"inline":null}', "started_by": "test", "root": root, "depth": depth}
    await plant(database, "runs", id=run, **flow, **more)


class Family:
    """A root with one descendant that starts another."""

    def __init__(self, pool: Pool) -> None:
        ids = RandomIds()
        self.pool = pool
        self.root, self.parent, self.child = ids.uuid7(), ids.uuid7(), ids.uuid7()

    async def begin(self) -> None:
        await put(self.pool, self.root, None, 0)
        await put(self.pool, self.parent, self.root, 1)
        await plant(self.pool, "families", root=self.root, tenant=TENANT)

    def wanted(self) -> WriteSet:
        """The transition of the descendant: it goes on, and starts the child."""
        child = ChildRow(
            run=self.parent,
            id=self.child,
            parent_path=None,
            tenant=TENANT,
            namespace="n",
            name="w",
            version="1.0.0",
            program="70",
            trace=None,
            input=b'{"inline":null}',
            priority=5,
            root=self.root,
            depth=2,
            created_ms=1,
            test=False,
            by_listener=False,
        )
        return WriteSet(live=[LiveRun(self.parent, 0, "running", 0, b"{}")], children=[child])

    async def exists(self) -> bool:
        return await self.pool.fetchval("select true from runs where id = $1", self.child) is True

    async def told(self) -> set[UUID]:
        rows = await self.pool.fetch("select run from inbox where kind = 'cancel' and key = 'family'")
        return {row["run"] for row in rows}


@pytest.fixture
async def family(pool: Pool) -> Family:
    made = Family(pool)
    await made.begin()
    return made


async def blocked(pool: Pool) -> None:
    await eventually(lambda: pool.fetchval(WAITS))


async def cancel_as_gateway(database: Database, root: UUID) -> None:
    connection = await asyncpg.connect(database.gateway, server_settings={"search_path": "visapi"})
    try:
        async with connection.transaction():
            await connection.execute("select set_config('visapi.tenants', $1, true)", TENANT)
            await connection.execute(GATEWAY_CANCELS, TENANT, [root])
    finally:
        await connection.close()


async def test_a_child_that_commits_first_is_found_by_the_sweep(
    postgres_db: Database, pool: Pool, family: Family
):
    """The cancellation waits for the transaction that starts the child, so the sweep comes after both."""
    async with pool.acquire() as connection, connection.transaction():
        child_verdict = await admit(connection, family.wanted(), 10)
        assert child_verdict.refused == frozenset()
        await put(connection, family.child, family.root, 2)
        cancelling = asyncio.create_task(cancel_as_gateway(postgres_db, family.root))
        await blocked(pool)
        assert not cancelling.done()
    await cancelling
    assert set(await PostgresFamilies(pool).cancel_descendants(10)) == {family.parent, family.child}
    assert await family.told() == {family.parent, family.child}


async def test_a_cancellation_that_commits_first_keeps_the_child_from_being_started(
    postgres_db: Database, pool: Pool, family: Family
):
    """The transaction began before the cancellation, and waits for its lock: it must see what was committed."""
    ledger = PostgresLedger(pool, RandomIds())
    other = await asyncpg.connect(postgres_db.superuser)
    try:
        await other.execute("set search_path to visapi")
        transaction = other.transaction()
        await transaction.start()
        await other.execute(GATEWAY_CANCELS, TENANT, [family.root])
        writing: asyncio.Task[WriteResult] = asyncio.create_task(ledger.write(family.wanted()))
        await blocked(pool)
        await transaction.commit()
    finally:
        await other.close()
    written = await writing
    assert (written.done, written.child_verdict.cancelled_parents) == ({}, {family.parent})
    assert not await family.exists()
    assert await family.told() == {family.parent}


async def test_a_root_that_ends_cancelled_is_the_same_fact(pool: Pool, family: Family):
    end = EndedRun(family.root, 0, "cancelled", 0, None, None, None)
    rows = WriteSet(ended=[end], cancelled_roots=[family.root])
    ledger = PostgresLedger(pool, RandomIds())
    assert set((await ledger.write(rows)).done) == {family.root}
    assert (await ledger.write(family.wanted())).child_verdict.cancelled_parents == {family.parent}
    assert set(await PostgresFamilies(pool).cancel_descendants(10)) == set()
    assert await family.told() == {family.parent}


async def test_a_compare_and_set_that_fails_cancels_no_family(pool: Pool, family: Family):
    await PostgresLedger(pool, RandomIds()).write(WriteSet(cancelled_roots=[family.root]))
    assert (
        await PostgresLedger(pool, RandomIds()).write(family.wanted())
    ).child_verdict.refused == frozenset()
    assert await family.exists()


async def test_a_descendant_of_a_cancelled_root_is_not_taken_up_again(pool: Pool, family: Family):
    await overwrite(pool, "families", {"root": family.root}, cancelled_at=datetime.now(UTC))
    fault = EndedRun(family.parent, 0, "faulted", 0, None, None, b"{}")
    await PostgresLedger(pool, RandomIds()).write(WriteSet(ended=[fault]))
    retry = {"key": "retry:0", "tenant": TENANT, "kind": "retry", "body": b'{"actor":"t"}'}
    await plant(pool, "inbox", run=family.parent, **retry)
    revived = await PostgresLedger(pool, RandomIds()).revive([family.parent])
    assert revived.live == []
    assert await pool.fetchval("select count(*) from inbox where kind = 'retry'") == 0


async def test_families_without_open_runs_are_retired_and_cancelled_ones_kept(pool: Pool, family: Family):
    rows = PostgresFamilies(pool)
    none = UUID(int=0)
    assert await rows.retire(none, 100) == family.root
    assert await pool.fetchval("select count(*) from families") == 1
    await lose(pool, "runs")
    await rows.retire(none, 100)
    assert await pool.fetchval("select count(*) from families") == 1, "touched a moment ago"
    ago = datetime.now(UTC) - timedelta(minutes=2)
    await overwrite(pool, "families", {}, touched_at=ago, cancelled_at=ago)
    await rows.settle()
    await rows.retire(none, 100)
    assert await pool.fetchval("select settled_at is not null from families") is True
    await move_back(pool, "families", timedelta(days=91), "settled_at")
    await rows.retire(none, 100)
    assert await pool.fetchval("select count(*) from families") == 0
