"""The pool, its faults, the policies of tenants, the migrations."""

from uuid import uuid4

import pytest

from kit.ledger_rows import plant
from kit.servers import Database
from visapi_common.adapters.migrate import apply_migrations
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import open_pool, tenant_transaction
from visapi_common.core.errors import ContentFault, OperatorFault, TransientFault, UnknownFault

CANCEL = {"key": "k", "kind": "cancel", "body": b"{}"}


async def test_a_tenant_transaction_sees_and_writes_its_tenants_only(postgres_db: Database):
    pool = await open_pool(postgres_db.gateway, size=2, application="test")
    run = uuid4()
    async with tenant_transaction(pool, ["default", "other"]) as connection:
        await plant(connection, "inbox", run=run, tenant="default", **CANCEL)
    async with tenant_transaction(pool, ["other"]) as connection:
        assert await connection.fetch("select * from inbox") == []
    async with tenant_transaction(pool, ["default"]) as connection:
        assert await connection.fetchval("select run from inbox") == run
    with pytest.raises(OperatorFault, match="42501"):
        async with tenant_transaction(pool, ["other"]) as connection:
            await plant(connection, "inbox", run=uuid4(), tenant="default", **CANCEL)
    assert await pool.fetch("select * from inbox") == []
    await pool.close()


async def test_a_failed_tenant_transaction_leaves_nothing_and_a_usable_connection(postgres_db: Database):
    pool = await open_pool(postgres_db.gateway, size=1, application="test")

    async def fails_after_writing() -> None:
        async with tenant_transaction(pool, ["default"]) as connection:
            await plant(connection, "inbox", run=uuid4(), tenant="default", **CANCEL)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails_after_writing()
    async with tenant_transaction(pool, ["default"]) as connection:
        assert await connection.fetch("select * from inbox") == []
    await pool.close()


async def test_a_killed_session_is_unknown_where_something_may_have_happened(postgres_db: Database):
    pool = await open_pool(postgres_db.superuser, size=1, application="test")
    suicide = "select pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(TransientFault), pg_faults():
        await pool.fetch(suicide)
    with pytest.raises(UnknownFault), pg_faults(effect=True):
        await pool.fetch(suicide)
    assert await pool.fetchval("select 1") == 1
    await pool.close()


async def test_a_transaction_whose_client_is_silent_loses_its_locks(postgres_db: Database):
    """A client behind a network that drops its packets cannot end its transaction, and PostgreSQL would wait for hours."""
    soon = {"idle_in_transaction_session_timeout": "200ms"}
    pool = await open_pool(postgres_db.superuser, size=2, application="test", session=soon)
    locks = "lock table inbox in exclusive mode"
    async with pool.acquire() as silent:
        await silent.execute("begin")
        await silent.execute(locks)
        async with pool.acquire() as other, other.transaction():
            await other.execute(locks, timeout=10)
        with pytest.raises(TransientFault), pg_faults():
            await silent.execute("commit")
    await pool.close()


async def test_a_transaction_waits_for_its_client_for_half_a_minute(postgres_db: Database):
    pool = await open_pool(postgres_db.gateway, size=1, application="test")
    assert await pool.fetchval("show idle_in_transaction_session_timeout") == "30s"
    await pool.close()


async def test_migrations_are_applied_once(postgres_db: Database):
    assert await apply_migrations(postgres_db.owner) == []


async def test_a_refusal_says_whose_fault_it_is(postgres_db: Database):
    pool = await open_pool(postgres_db.superuser, size=1, application="test")
    for wrong, kind in (
        ("select 'x'::int", ContentFault),
        ("select from no_such_table", OperatorFault),
        ("do $$ begin raise sqlstate '53100'; end $$", OperatorFault),
        ("do $$ begin raise sqlstate '54000'; end $$", ContentFault),
    ):
        with pytest.raises(kind), pg_faults(effect=True):
            await pool.execute(wrong)
    await pool.close()


async def test_a_parameter_without_a_form_in_postgresql_is_the_contents_fault(postgres_db: Database):
    """asyncpg says so before anything is sent, with the class of a broken connection."""
    pool = await open_pool(postgres_db.superuser, size=1, application="test")
    for query, value in (("select $1::int", 2**40), ("select $1::text", "\ud800"), ("select $1::text", 7)):
        with pytest.raises(ContentFault), pg_faults(effect=True):
            await pool.fetch(query, value)
    assert await pool.fetchval("select 1") == 1
    await pool.close()
