"""A password of PostgreSQL or NATS is rotated while a service works, which is not restarted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from kit.configured_nats import ConfiguredNats
from kit.servers import PostgresServer
from kit.waiting import eventually
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.core.errors import UnknownFault
from visapi_common.runtime.connections import LedgerSettings
from visapi_common.runtime.settings import load

ROLE = "rotated_role"


@pytest.fixture
async def owner(postgres_server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_server.server.url("postgres", "postgres"))
    await connection.execute(f"drop role if exists {ROLE}")
    await connection.execute(f"create role {ROLE} login password 'first'")
    yield connection
    await connection.execute(f"drop role {ROLE}")
    await connection.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    hold(path, "first")
    return path


def hold(file: Path, *passwords: str) -> None:
    """Put the passwords into the file, as Kubernetes does: whole or not at all."""
    fresh = file.with_suffix(".new")
    fresh.write_text("".join(f"{each}\n" for each in passwords))
    fresh.replace(file)


async def pool_by(file: Path, server: PostgresServer) -> Pool:
    url = f"postgresql://{ROLE}@127.0.0.1:{server.server.port}/postgres"
    given = {"VISAPI_POSTGRES_URL": url, "VISAPI_POSTGRES_PASSWORD_FILE": str(file)}
    settings = load(LedgerSettings, {**given, "VISAPI_NATS_URL": "nats://gateway@127.0.0.1:1"})
    return await open_pool(settings.postgres_urls, size=2, application="t")


async def new_session(pool: Pool) -> int:
    """Borrow a connection, and end its session, so that the next borrower connects anew."""
    async with pool.acquire() as connection:
        number: int = await connection.fetchval("select pg_backend_pid()")
        await connection.close()
        return number


async def test_every_new_connection_succeeds_while_the_password_of_a_role_is_rotated(
    postgres_server: PostgresServer, owner: asyncpg.Connection, file: Path
):
    pool = await pool_by(file, postgres_server)
    sessions: set[int] = set()
    stopping = asyncio.Event()

    async def connect_anew() -> None:
        while not stopping.is_set():
            sessions.add(await new_session(pool))

    async def more() -> None:
        known = len(sessions)
        await eventually(lambda: len(sessions) > known + 3, within_s=20)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(connect_anew())
            await more()
            hold(file, "second", "first")
            await more()
            await owner.execute(f"alter role {ROLE} password 'second'")
            await more()
            hold(file, "second")
            await more()
            stopping.set()
    finally:
        pool.terminate()


async def test_a_password_that_was_changed_without_the_service_is_taken_from_the_file_once_it_is_there(
    postgres_server: PostgresServer, owner: asyncpg.Connection, file: Path
):
    pool = await pool_by(file, postgres_server)
    try:
        await new_session(pool)
        await owner.execute(f"alter role {ROLE} password 'second'")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await new_session(pool)
        hold(file, "second")
        await new_session(pool)
    finally:
        pool.terminate()


async def test_a_service_comes_back_by_itself_after_the_password_of_its_nats_user_was_rotated(file: Path):
    server = ConfiguredNats(config("first"))
    server.start()
    given = {
        "VISAPI_NATS_URL": server.url().replace("//", "//gateway@"),
        "VISAPI_NATS_PASSWORD_FILE": str(file),
    }
    settings = load(LedgerSettings, {**given, "VISAPI_POSTGRES_URL": "postgresql://a@b/c"})
    bus = await Bus.connect(settings.nats_urls, "t", access=settings.nats_access("gateway"))
    try:
        await bus.flush()
        hold(file, "second", "first")
        server.restart_with(config("second"))
        await eventually(lambda: serves(bus), within_s=20)
        hold(file, "second")
        server.restart_with(config("second"))
        await eventually(lambda: serves(bus), within_s=20)
    finally:
        await bus.close()
        server.close()


async def test_urls_that_cannot_be_read_for_a_while_do_not_end_the_attempts():
    server = ConfiguredNats(config("first"))
    server.start()
    asked: list[str] = []

    def urls() -> list[str]:
        asked.append("")
        return [server.url("gateway", "first") if len(asked) not in (2, 3) else "nats://gateway:p#w@host"]

    bus = await Bus.connect(urls, "t")
    try:
        await bus.flush()
        server.restart_with(config("first"))
        await eventually(lambda: serves(bus), within_s=20)
        assert len(asked) > 3
    finally:
        await bus.close()
        server.close()


def config(password: str) -> str:
    return f'authorization {{ users: [{{user: "gateway", password: "{password}"}}] }}\n'


async def serves(bus: Bus) -> bool:
    try:
        await bus.flush()
    except UnknownFault:
        return False
    return True
