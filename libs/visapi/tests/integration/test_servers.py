"""The runners of PostgreSQL and NATS that the stack and all tests share."""

import os
import stat
from pathlib import Path

import asyncpg
import pytest

from kit.ledger_rows import lose
from kit.servers import Database, NatsServer, PostgresServer
from kit.tenants import add_tenants
from visapi_common.adapters.bus import Bus


async def test_a_fresh_database_has_the_migrations_and_its_own_rows(postgres_db: Database):
    owner = await asyncpg.connect(postgres_db.superuser)
    try:
        assert await owner.fetchval("select id from visapi.tenants") == "default"
    finally:
        await owner.close()


async def test_the_gateway_role_may_not_write_tasks(postgres_db: Database):
    gateway = await asyncpg.connect(postgres_db.gateway)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await lose(gateway, "tasks")
    finally:
        await gateway.close()


async def test_a_role_without_its_password_is_refused(postgres_db: Database):
    url = postgres_db.gateway.replace("visapi_gateway:", "visapi_gateway:wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def test_rows_survive_a_killed_postgres(postgres_server: PostgresServer, postgres_db: Database):
    before = await asyncpg.connect(postgres_db.superuser)
    await add_tenants(before, "survivor")
    before.terminate()
    postgres_server.restart()
    after = await asyncpg.connect(postgres_db.superuser)
    try:
        assert await after.fetchval("select count(*) from visapi.tenants where id = 'survivor'") == 1
    finally:
        await after.close()


def test_postgres_does_not_run_as_root(postgres_server: PostgresServer):
    owner = Path(f"/proc/{postgres_server.process.pid}").stat().st_uid
    account = postgres_server.server.account
    assert owner == (account.uid if account else os.getuid())
    assert owner != 0


def test_the_cluster_is_closed_to_others(postgres_server: PostgresServer):
    assert stat.S_IMODE(postgres_server.server.cluster.stat().st_mode) == 0o700


async def test_nats_comes_back_on_its_port_with_its_files(nats_server: NatsServer):
    bus = await Bus.connect(nats_server.url(), "before")
    await bus.request(
        "$JS.API.STREAM.CREATE.KEPT", b'{"name":"KEPT","subjects":["kept"],"storage":"file"}', 2
    )
    await bus.publish_acked("kept", b"1")
    await bus.close()

    nats_server.restart()

    bus = await Bus.connect(nats_server.url(), "after")
    assert (await bus.publish_acked("kept", b"2")).seq == 2
    await bus.close()


async def test_a_wiped_nats_remembers_nothing(nats_server: NatsServer):
    bus = await Bus.connect(nats_server.url(), "before")
    await bus.request(
        "$JS.API.STREAM.CREATE.LOST", b'{"name":"LOST","subjects":["lost"],"storage":"file"}', 2
    )
    await bus.close()

    nats_server.restart(wiped=True)

    bus = await Bus.connect(nats_server.url(), "after")
    assert b"stream not found" in (await bus.request("$JS.API.STREAM.INFO.LOST", b"", 2)).data
    await bus.close()
