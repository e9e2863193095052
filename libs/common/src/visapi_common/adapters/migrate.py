"""Apply the plain SQL migrations in order, then the role grants, under an advisory lock.

The libraries for this (yoyo, alembic, dbmate) want psycopg, SQLAlchemy or a binary of their own;
with asyncpg the whole job is this file. A migration must not change after it was applied: the table
`migrations` keeps its hash, and the hashes are compared. Nor may one change after it was released:
`released.sha256` lists those files, so an edited file is refused before a database has seen it.

A migration expands the schema, so that the release before it goes on working, or it contracts the schema
(`<number>_<name>.contract.sql`), once no replica of the release before it runs. It is a transaction, except
for the indexes of tables that are there already (`<number>_<name>.index.sql`, `index_builds`).
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from importlib import resources

import msgspec

from visapi_common.adapters.index_builds import IndexBuild, build_indexes, read_builds
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, open_connection
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import OperatorFault, PermanentFault, TransientFault

BASELINE = "0001_baseline.sql"
CONTRACT = ".contract.sql"
INDEX = ".index.sql"
RELEASED = "released.sha256"

_QUERIES = load_queries("visapi_common.adapters", "sql/migrate.sql")
_TRIES = 20
_PAUSE_S = 0.25
_PAUSE_MAX_S = 2.0
_LOCK_PAUSE_S = 0.5


class Step(StrEnum):
    """Which migrations are applied. In an empty database nothing runs yet, and every step but contract is
    `ALL`.
    """

    EXPAND = "expand"
    CONTRACT = "contract"
    ALL = "all"


class Migration(msgspec.Struct, frozen=True):
    """One file of `sql/migrations`."""

    name: str
    text: str

    @property
    def contracts(self) -> bool:
        return self.name.endswith(CONTRACT)

    @property
    def builds(self) -> list[IndexBuild]:
        """The indexes that it builds outside a transaction. Raises `PermanentFault` for another statement."""
        return read_builds(self.name, self.text) if self.name.endswith(INDEX) else []

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


class SchemaState(msgspec.Struct, frozen=True):
    """A database beside the migrations of this release."""

    expand: list[str]
    """What expands the schema and was not applied yet."""
    contract: list[str]
    """What contracts it and was not applied yet."""
    newer: list[str]
    """What a later release applied."""


def packaged() -> list[Migration]:
    """The migrations of this release, in order. Raises `PermanentFault` when a released one was changed."""
    folder = resources.files("visapi_common").joinpath("sql/migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    found = [Migration(name, _sql(f"migrations/{name}")) for name in names]
    check_released(found, released(_sql(f"migrations/{RELEASED}")))
    return found


def released(text: str) -> dict[str, str]:
    """The hash of each released migration, from the lines of `released.sha256`."""
    lines = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {name: digest for digest, name in lines}


def check_released(migrations: Sequence[Migration], digests: Mapping[str, str]) -> None:
    """Raises `PermanentFault` for a released migration that is missing or was changed."""
    found = {each.name: each.digest for each in migrations}
    for name, digest in digests.items():
        if name not in found:
            raise PermanentFault(
                f"the migration {name} was released and is missing from sql/migrations; restore the file"
            )
        if found[name] != digest:
            raise PermanentFault(
                f"the migration {name} was changed after its release: sql/migrations/{RELEASED} has another "
                "hash; restore the file, and put the change into a new migration"
            )


async def apply_migrations(
    owner_url: str, step: Step = Step.ALL, *, migrations: Sequence[Migration] | None = None
) -> list[str]:
    """Bring the schema `visapi` up to date and return the names applied now.

    `owner_url` connects as the owner of the schema, on a connection of its own (no pooler's: the lock is the
    session's). Raises `PermanentFault` when a migration that
    was applied has changed since, when the schema is older than the baseline, or when PostgreSQL refuses
    a migration; nothing of that one then stays. Raises `OperatorFault` without the roles of the services.
    """
    known = packaged() if migrations is None else migrations
    with pg_faults():
        async with _owner(owner_url) as connection:
            await _check_roles(connection)
            await _lock(connection)
            await connection.execute(_QUERIES["prepare"])
            applied = await _apply_new(connection, step, known)
            if not (await _state(connection, known)).newer:
                # The grants of a later release are not taken back: its replicas may be running.
                await _patiently(connection, lambda: _in_transaction(connection, _sql("roles.sql")))
            await connection.execute(_QUERIES["unlock"])
            return applied


async def schema_state(owner_url: str, *, migrations: Sequence[Migration] | None = None) -> SchemaState:
    """What is applied, without changing anything."""
    known = packaged() if migrations is None else migrations
    with pg_faults():
        async with _owner(owner_url) as connection:
            if not await connection.fetchval(_QUERIES["prepared"]):
                return _beside(known, set())
            return await _state(connection, known)


@asynccontextmanager
async def _owner(url: str) -> AsyncGenerator[Connection]:
    connection = await open_connection(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _check_roles(connection: Connection) -> None:
    missing: list[str] = await connection.fetchval(_QUERIES["missing_roles"])
    if missing:
        raise OperatorFault(
            f"PostgreSQL has no role {', '.join(missing)}; make the roles with `visapi admin roles`",
            sort="roles",
        )


async def _state(connection: Connection, migrations: Sequence[Migration]) -> SchemaState:
    return _beside(migrations, {row["name"] for row in await connection.fetch(_QUERIES["applied"])})


def _beside(migrations: Sequence[Migration], names: set[str]) -> SchemaState:
    new = [each for each in migrations if each.name not in names]
    old = BASELINE not in names and bool(names)
    return SchemaState(
        expand=[each.name for each in new if not each.contracts],
        contract=[each.name for each in new if each.contracts],
        newer=[] if old else sorted(names - {each.name for each in migrations}),
    )


async def _apply_new(connection: Connection, step: Step, migrations: Sequence[Migration]) -> list[str]:
    known = {row["name"]: row["sha256"] for row in await connection.fetch(_QUERIES["applied"])}
    if known and BASELINE not in known:
        raise PermanentFault(
            f"this database ends at migration {max(known)}, from before VisAPI's first release, and cannot "
            "be brought up to date; start with an empty database (`visapi up`: with another --data-dir)"
        )
    for each in migrations:
        if known.get(each.name, each.digest) != each.digest:
            raise PermanentFault(
                f"migration {each.name} was changed after it was applied to this database; start with an "
                "empty database (`visapi up`: with another --data-dir), or restore the file and add "
                "a new migration"
            )
    new = [each for each in migrations if each.name not in known and _belongs(each, step, fresh=not known)]
    builds = {each.name: each.builds for each in new}
    for each in new:
        if indexes := builds[each.name]:
            await _patiently(connection, lambda indexes=indexes: build_indexes(connection, indexes))
            await connection.execute(_QUERIES["record"], each.name, each.digest)
        else:
            await _patiently(connection, lambda each=each: _in_transaction(connection, each.text, each))
    return [each.name for each in new]


def _belongs(migration: Migration, step: Step, *, fresh: bool) -> bool:
    match step:
        case Step.ALL:
            return True
        case Step.EXPAND:
            return fresh or not migration.contracts
        case Step.CONTRACT:
            return migration.contracts


async def _lock(connection: Connection) -> None:
    """Wait until nobody else migrates. A statement that waits for the lock would have a snapshot, and
    `create index concurrently` of the holder waits for all older snapshots: both would wait for ever.
    """
    while True:
        if await connection.fetchval(_QUERIES["lock"]):
            return
        await asyncio.sleep(_LOCK_PAUSE_S)


async def _in_transaction(connection: Connection, text: str, recorded: Migration | None = None) -> None:
    """Run a script, and record it as applied. It waits for locks only shortly: whatever asks for the same
    tables waits behind it for as long.
    """
    async with connection.transaction():
        await connection.execute(_QUERIES["wait_shortly"])
        await connection.execute(text)
        if recorded is not None:
            await connection.execute(_QUERIES["record"], recorded.name, recorded.digest)


async def _patiently(connection: Connection, work: Callable[[], Awaitable[None]]) -> None:
    """Again where other sessions hold locks on the tables, for as long as the connection, whose lock keeps
    others from migrating, is there.
    """
    for tried in range(1, _TRIES):
        try:
            with pg_faults():
                await work()
            return
        except OperatorFault:
            raise
        except TransientFault:
            if connection.is_closed():
                raise
            await asyncio.sleep(min(_PAUSE_MAX_S, _PAUSE_S * tried))
    with pg_faults():
        await work()


def _sql(path: str) -> str:
    return resources.files("visapi_common").joinpath(f"sql/{path}").read_text(encoding="utf-8")
