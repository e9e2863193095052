"""Connections through a pooler in transaction mode (PgBouncer), which gives each transaction some server.

A client keeps nothing there between two transactions: no prepared statement, no setting of the session, no
session lock. PgBouncer refuses most settings at the start of a session, therefore each statement gets a
transaction, and each transaction begins with the settings.
"""

import contextlib
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

_base: Any = asyncpg.Connection
"""asyncpg ships without types."""
_CONTROL = re.compile(r"(?:\s|--[^\n]*\n)*(begin|commit|rollback|savepoint|release)\b[^;]*", re.IGNORECASE)
"""A statement that opens or ends a transaction, behind the comment that names it."""


def connection_class(settings: Mapping[str, str]) -> type[Any]:
    """The class of connections whose every transaction begins with `settings`; names and values are ours, not
    a caller's.
    """
    opening = "; ".join(f"set local {name} = '{value}'" for name, value in settings.items())

    class Connection(_base):
        __slots__ = ()

        async def execute(self, query: str, *args: object, **options: Any) -> str:
            control = None if args else _CONTROL.match(query)
            if control is not None:
                begins = control[1].lower() == "begin"
                statement = f"{control[0]}; {opening}{query[control.end() :]}" if begins else query
                return await _base.execute(self, statement, **options)
            async with _transaction(self):
                return await _base.execute(self, query, *args, **options)

        async def fetch(self, query: str, *args: object, **options: Any) -> Any:
            async with _transaction(self):
                return await _base.fetch(self, query, *args, **options)

        async def fetchrow(self, query: str, *args: object, **options: Any) -> Any:
            async with _transaction(self):
                return await _base.fetchrow(self, query, *args, **options)

        async def fetchval(self, query: str, *args: object, **options: Any) -> Any:
            async with _transaction(self):
                return await _base.fetchval(self, query, *args, **options)

    return cast(type[Any], Connection)


@contextlib.asynccontextmanager
async def _transaction(connection: Any) -> AsyncGenerator[None]:
    """One transaction, unless one is open."""
    if connection.is_in_transaction():
        yield
        return
    async with connection.transaction():
        yield
