"""A PostgreSQL as providers rent it out: its master may make roles and databases, and is no superuser."""

import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import msgspec
from typer.testing import CliRunner

from kit.servers import PostgresServer, run_async
from visapi.cli.main import app

MASTER = "rds_master"
PASSWORD = "v-master's p@ss/word"
ENCODED = "v-master%27s%20p%40ss%2Fword"
PASSWORDS = {
    f"visapi_{name}_password": f"v{secrets.token_hex(8)}" for name in ("gateway", "orchestrator", "notifier")
}


class Said(msgspec.Struct, frozen=True):
    returncode: int
    stdout: str
    stderr: str


class Cluster(msgspec.Struct, frozen=True):
    """A PostgreSQL of its own, because roles are the cluster's. `master` may make roles and databases, and is
    no superuser.
    """

    server: PostgresServer
    superuser: str
    place: str

    @property
    def master(self) -> str:
        return f"postgresql://{MASTER}:{ENCODED}@{self.place}/master"

    def command(self, *arguments: str, **settings: str) -> Said:
        return visapi("admin", *arguments, environ={name.upper(): value for name, value in settings.items()})


def visapi(*arguments: str, environ: Mapping[str, str]) -> Said:
    """In this process, which has imported everything, and in a thread of its own, which has no event loop."""
    runner = CliRunner()
    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(runner.invoke, app, arguments, env={"COLUMNS": "300", **environ}).result(60)
    return Said(result.exit_code, result.stdout, result.stderr)


def rented_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    server = PostgresServer(durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.close()


def rented(server: PostgresServer) -> Iterator[Cluster]:
    superuser = server.server.url("postgres", "postgres")
    run_async(_on(superuser, f"create role {MASTER} login createrole createdb password {_quoted(PASSWORD)}"))
    run_async(_on(superuser, f"create database master owner {MASTER}"))
    yield Cluster(server, superuser, superuser.rpartition("@")[2].partition("/")[0])
    run_async(_forget(superuser))


async def _on(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _forget(superuser: str) -> None:
    """Every database and role that a test has made."""
    connection = await asyncpg.connect(superuser)
    for row in await connection.fetch(
        "select datname from pg_database where not datistemplate and datname <> 'postgres'"
    ):
        await connection.execute(f"drop database {row['datname']} with (force)")
    roles = await connection.fetch("select rolname from pg_roles where rolname !~ '^(pg_|postgres$)'")
    for row in roles:
        await connection.execute(f"drop owned by {row['rolname']} cascade")
    for row in sorted(roles, key=lambda row: row["rolname"] == MASTER):
        await connection.execute(f"drop role {row['rolname']}")
    await connection.close()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
