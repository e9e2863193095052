"""Connections through a real PgBouncer in transaction mode: fewer servers than clients, in any order."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from kit.ledger_rows import plant
from kit.pgbouncer import PgBouncer
from kit.servers import Database, PostgresServer
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import open_pool, tenant_transaction
from visapi_common.core.errors import Fault, OperatorFault, TransientFault
from visapi_common.core.postgres_url import with_password

CANCEL = {"key": "k", "kind": "cancel", "body": b"{}"}
SESSION = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
CLIENTS = 12


@pytest.fixture(scope="module")
def pooler(postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    opened = PgBouncer(postgres_server.server.port, postgres_server.server.passwords)
    try:
        opened.start()
        yield opened
    finally:
        opened.close()


async def test_statements_of_many_clients_are_never_mixed_up(postgres_db: Database, pooler: PgBouncer):
    """Each client asks something of its own, with other parameters and other columns, on two servers."""
    pool = await open_pool(
        pooler.through(postgres_db.gateway),
        size=CLIENTS,
        application="t",
        session=SESSION,
        pooler="transaction",
    )

    async def client(number: int) -> int:
        names = ", ".join(f"${place}::int as c{place}" for place in range(1, number + 2))
        for turn in range(40):
            row = await pool.fetchrow(f"select {names}", *range(turn, turn + number + 1))
            assert row is not None
            assert list(row.values()) == list(range(turn, turn + number + 1))
        return await pool.fetchval("select count(*) from tenants where id = $1", "default")

    assert await asyncio.gather(*map(client, range(CLIENTS))) == [1] * CLIENTS
    await pool.close()


async def test_a_rotated_password_is_tried_after_the_one_that_the_pooler_refuses(
    postgres_db: Database, pooler: PgBouncer
):
    right = pooler.through(postgres_db.gateway)
    urls = [with_password(right, "the-next-one"), right]
    pool = await open_pool(lambda: urls, size=2, application="t", pooler="transaction")
    assert await pool.fetchval("select 1") == 1
    await pool.close()


async def test_each_transaction_has_the_settings_of_the_session_and_sees_its_tenants_only(
    postgres_db: Database, pooler: PgBouncer
):
    pool = await open_pool(
        pooler.through(postgres_db.gateway), size=4, application="t", session=SESSION, pooler="transaction"
    )
    runs = {tenant: uuid4() for tenant in ("default", "other")}
    for tenant, run in runs.items():
        async with tenant_transaction(pool, [tenant]) as connection:
            await plant(connection, "inbox", run=run, tenant=tenant, **CANCEL)

    async def seen(tenant: str) -> None:
        for _ in range(20):
            async with tenant_transaction(pool, [tenant]) as connection:
                assert (
                    await connection.fetchval("select current_setting('plan_cache_mode')")
                    == SESSION["plan_cache_mode"]
                )
                assert [row["run"] for row in await connection.fetch("select run from inbox")] == [
                    runs[tenant]
                ]

    await asyncio.gather(*(seen(tenant) for tenant in (*runs, *runs)))
    assert await pool.fetchval("select current_setting('enable_seqscan')") == "off"
    assert await pool.fetch("select run from inbox") == []
    with pytest.raises(OperatorFault, match="42501"):
        async with tenant_transaction(pool, ["other"]) as connection:
            await plant(connection, "inbox", run=uuid4(), tenant="default", **CANCEL)
    async with pool.acquire() as connection, connection.transaction():
        assert await connection.fetchval("select current_setting('jit')") == "off"
    await pool.close()


async def test_a_pooler_that_nobody_told_of_is_named(postgres_db: Database, pooler: PgBouncer):
    pool = await open_pool(pooler.through(postgres_db.gateway), size=1, application="t", session=SESSION)
    with pytest.raises(TransientFault, match="VISAPI_POSTGRES_POOLER=transaction"), pg_faults():
        await pool.fetchval("select 1")
    await pool.close()


async def test_a_killed_server_is_a_fault_and_the_next_statement_gets_another(
    postgres_db: Database, pooler: PgBouncer
):
    pool = await open_pool(
        pooler.through(postgres_db.superuser), size=1, application="t", pooler="transaction"
    )
    with pytest.raises(Fault), pg_faults():
        await pool.fetchval("select pg_terminate_backend(pg_backend_pid()), $1::int", 1)
    assert await pool.fetchval("select $1::int", 7) == 7
    await pool.close()
