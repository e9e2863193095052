"""Roles and databases of an embedded cluster, made by its superuser; asyncpg's only place here."""

# asyncpg ships without types; callers see the Protocol of `visapi_common.adapters.pool`.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import cast

import asyncpg

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries

OWNER = "visapi_owner"
SERVICE_ROLES = ("visapi_gateway", "visapi_orchestrator", "visapi_notifier")

DatabaseError = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What can go wrong below."""

_QUERIES = load_queries("visapi.stack", "sql/provision.sql")
_CONNECT_TIMEOUT_S = 2


@contextlib.asynccontextmanager
async def connection(url: str) -> AsyncGenerator[Connection]:
    """One connection, closed at the end."""
    opened = await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S)
    try:
        yield cast(Connection, opened)
    finally:
        await opened.close()


async def accepts(url: str) -> bool:
    """Whether the server takes connections; never raises."""
    try:
        async with connection(url):
            return True
    except DatabaseError:
        return False


async def provision(superuser_url: str, passwords: Mapping[str, str], database: str) -> None:
    """Make the roles and a database that only they may enter; repeatable."""
    async with connection(superuser_url) as superuser:
        for role in (OWNER, *SERVICE_ROLES):
            statement: str = await superuser.fetchval(_QUERIES["role_statement"], role, passwords[role])
            await superuser.execute(statement)
    await create_database(superuser_url, database, template="template0")


async def create_database(superuser_url: str, name: str, *, template: str) -> None:
    """A database with everything in `template`, to which nobody may be connected; repeatable."""
    async with connection(superuser_url) as superuser:
        if await superuser.fetchval(_QUERIES["database_exists"], name):
            return
        statements: list[str] = [
            await superuser.fetchval(_QUERIES["create_database_statement"], name, OWNER, template),
            await superuser.fetchval(_QUERIES["close_database_statement"], name),
        ]
        for role in SERVICE_ROLES:
            statements.append(await superuser.fetchval(_QUERIES["open_database_statement"], name, role))  # noqa: PERF401
        for statement in statements:
            await superuser.execute(statement)


async def drop_database(superuser_url: str, name: str) -> None:
    """Remove a database, ending whatever is connected to it."""
    async with connection(superuser_url) as superuser:
        statement: str = await superuser.fetchval(_QUERIES["drop_database_statement"], name)
        await superuser.execute(statement)
