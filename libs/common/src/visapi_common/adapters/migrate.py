"""Apply the plain SQL migrations in order, then the role grants, under an advisory lock.

The libraries for this (yoyo, alembic, dbmate) want psycopg, SQLAlchemy or a binary of their own;
with asyncpg the whole job is this file. A migration must not change after it was applied: the table
`migrations` keeps its hash, and the hashes are compared.
"""

import hashlib
from importlib import resources

from visapi_common.adapters.pool import Connection, open_connection, pg_faults
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import PermanentFault

BASELINE = "0001_baseline.sql"

_QUERIES = load_queries("visapi_common.adapters", "sql/migrate.sql")


async def apply_migrations(owner_url: str) -> list[str]:
    """Bring the schema `visapi` up to date and return the names applied now.

    `owner_url` connects as the owner of the schema. Raises `PermanentFault` when a migration that
    was applied has changed since, when the schema is older than the baseline, or when PostgreSQL refuses
    a migration; nothing of that one then stays.
    """
    with pg_faults():
        connection = await open_connection(owner_url)
        try:
            await connection.execute(_QUERIES["lock"])
            await connection.execute(_QUERIES["prepare"])
            applied = await _apply_new(connection)
            async with connection.transaction():
                await connection.execute(_sql("roles.sql"))
            await connection.execute(_QUERIES["unlock"])
            return applied
        finally:
            await connection.close()


async def _apply_new(connection: Connection) -> list[str]:
    known = {row["name"]: row["sha256"] for row in await connection.fetch(_QUERIES["applied"])}
    if known and BASELINE not in known:
        raise PermanentFault(
            f"this database ends at migration {max(known)}, from before VisAPI's first release, and cannot "
            "be brought up to date; start with an empty database (`visapi up`: with another --data-dir)"
        )
    new: list[str] = []
    for name in _migration_names():
        text = _sql(f"migrations/{name}")
        digest = _digest(text)
        if name in known:
            if known[name] != digest:
                raise PermanentFault(
                    f"migration {name} was changed after it was applied to this database; start with an "
                    "empty database (`visapi up`: with another --data-dir), or restore the file and add "
                    "a new migration"
                )
            continue
        async with connection.transaction():
            await connection.execute(text)
            await connection.execute(_QUERIES["record"], name, digest)
        new.append(name)
    return new


def _migration_names() -> list[str]:
    folder = resources.files("visapi_common").joinpath("sql/migrations")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))


def _sql(path: str) -> str:
    return resources.files("visapi_common").joinpath(f"sql/{path}").read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
