"""Builds the indexes of a migration `<number>_<name>.index.sql` while others write.

A plain `create index` keeps writers of its table waiting until it is built. `create index concurrently` does
not; it runs outside a transaction, and leaves an invalid index when it fails half-way. So each build can be
repeated at any point: an invalid index is dropped and built again, a complete one stays.

PostgreSQL builds no index of a partitioned table concurrently. There the index of the parent is made empty,
that of each partition is built concurrently and attached; partitions made meanwhile have theirs from the
start. The parent's index becomes valid with the last partition's.
"""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import PermanentFault

_QUERIES = load_queries("visapi_common.adapters", "sql/index_builds.sql")
_COMMENT = re.compile(r"--.*")
_STATEMENT = re.compile(
    r"create index concurrently (?P<name>[a-z][a-z0-9_]{0,62})\s+"
    r"on (?P<table>[a-z][a-z0-9_]*)\s+(?P<rest>.+)",
    re.DOTALL,
)
_NAME_MAX = 63
"""PostgreSQL cuts longer names."""


class IndexBuild(msgspec.Struct, frozen=True):
    """One `create index concurrently`; `rest` follows the name of the table."""

    name: str
    table: str
    rest: str


def read_builds(migration: str, text: str) -> list[IndexBuild]:
    """The statements of a migration. Raises `PermanentFault` for any but `create index concurrently`."""
    builds: list[IndexBuild] = []
    for part in _COMMENT.sub("", text).split(";"):
        statement = part.strip()
        found = _STATEMENT.fullmatch(statement)
        if found is not None:
            builds.append(IndexBuild(found["name"], found["table"], found["rest"]))
        elif statement:
            raise PermanentFault(
                f"the migration {migration} holds `{statement[:80]}`; a migration of this name may hold only "
                "`create index concurrently <name> on <table> …`, not unique and without `if not exists`"
            )
    return builds


async def build_indexes(connection: Connection, builds: Sequence[IndexBuild]) -> None:
    """Build what is not there yet, on a session without a transaction whose `search_path` is the schema.

    Raises asyncpg's errors; the next call goes on where this one ended.
    """
    await connection.execute(_QUERIES["wait_long"])
    for each in builds:
        await _build(connection, each)


async def _build(connection: Connection, build: IndexBuild) -> None:
    if await connection.fetchval(_QUERIES["partitioned"], build.table):
        await _build_parent(connection, build)
    else:
        await _build_concurrently(connection, build)


async def _build_concurrently(connection: Connection, build: IndexBuild) -> None:
    valid = await _valid(connection, build)
    if valid is False:
        await connection.execute(f"drop index concurrently {build.name}")
    if not valid:
        await connection.execute(f"create index concurrently {build.name} on {build.table} {build.rest}")


async def _build_parent(connection: Connection, build: IndexBuild) -> None:
    valid = await _valid(connection, build)
    if valid is None:
        await _shortly(connection, f"create index {build.name} on only {build.table} {build.rest}")
    if valid:
        return
    for row in await connection.fetch(_QUERIES["partitions"], build.table, build.name):
        partition: str = row["partition"]
        # One that was made with its partition is attached already, and valid unless it is a parent, too.
        name: str = row["index"] or _name_for(build.name, partition)
        await _build(connection, IndexBuild(name, partition, build.rest))
        if row["index"] is None:
            await _shortly(connection, f"alter index {build.name} attach partition {name}")


async def _valid(connection: Connection, build: IndexBuild) -> bool | None:
    """Whether the index is complete; None: there is none."""
    row = await connection.fetchrow(_QUERIES["index"], build.name)
    if row is None:
        return None
    if row["table"] != build.table:
        raise PermanentFault(f"there is an index {build.name} already, on {row['table']}; rename or drop it")
    return bool(row["valid"])


async def _shortly(connection: Connection, statement: str) -> None:
    """A statement that keeps writers waiting for as long as it waits itself: half a second at most."""
    async with connection.transaction():
        await connection.execute(_QUERIES["wait_shortly"])
        await connection.execute(statement)


def _name_for(name: str, partition: str) -> str:
    tail = f"_{hashlib.sha256(partition.encode()).hexdigest()[:8]}"
    return name[: _NAME_MAX - len(tail)] + tail
