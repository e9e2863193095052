"""What all tables of a database hold, as one hash each: two databases with equal hashes hold equal rows."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg

_TABLES = """
select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'visapi' and c.relkind = 'r' order by 1
"""
_AGAIN_S = 0.05
_HASH = "select count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from {} t"


async def fingerprints(connection: Any) -> dict[str, str]:
    """Count and hash of each table's rows, as `connection` sees them; a superuser sees all."""
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    return {table: await connection.fetchval(_HASH.format(table)) for table in tables}


@contextlib.asynccontextmanager
async def stillness(url: str) -> AsyncGenerator[Any]:
    """A superuser's connection, while nobody else can write: writers wait for its end."""
    connection: Any = await asyncpg.connect(url, timeout=30)
    try:
        while not await _locked(connection):
            await asyncio.sleep(_AGAIN_S)
        yield connection
        await connection.execute("commit")
    finally:
        await connection.close()


async def _locked(connection: Any) -> bool:
    """Lock all tables at once, or none: whoever waits for the other gives way before PostgreSQL decides it."""
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    await connection.execute("begin")
    try:
        await connection.execute("set local lock_timeout = '300ms'")
        await connection.execute(f"lock table {', '.join(tables)} in share mode")
    except asyncpg.LockNotAvailableError:
        await connection.execute("rollback")
        return False
    return True
