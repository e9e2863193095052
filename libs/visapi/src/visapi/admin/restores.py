"""The consequences of a restore of PostgreSQL to a point in the past.

The database has no record of the work between the point and the restore. Before the services start again,
effects of class *once* of all earlier runs are held, and missing items are named: runs that were accepted
after the point, and artifacts that rows name and the store lacks.
"""

import contextlib
import re
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from visapi.admin.databases import connection
from visapi_common.adapters.object_store import ObjectStore
from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_common.core.ids import uuid7_from

_QUERIES = load_queries("visapi.admin", "sql/restores.sql")
_RUN = re.compile(
    r'(?:^|/v1/runs/|"(?:run|id)":\s*")([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\b',
    re.MULTILINE,
)
_ARTIFACT = re.compile(rb'"id":\s*"([0-9a-f]{64}\.[a-z0-9]{1,10})"')
_PAYLOAD = re.compile(rb"payloads/[a-z0-9-]{1,63}/[0-9a-f]{64}\.json")
_LOCK_WAIT = "set local lock_timeout = '10s'"
_NEXT_ROWS = "fetch 500 from texts"
_ASKED_MAX = 10_000


class Ledger(msgspec.Struct, frozen=True):
    """The work that the restored database knows."""

    open_runs: int
    newest: datetime | None
    """When its newest run was accepted: nothing that was accepted later is known."""
    lost: list[UUID]
    """The runs that were asked about and are unknown."""
    held: bool
    """Whether the effects of class *once* of these runs are held now."""


class Artifacts(msgspec.Struct, frozen=True):
    """The rows beside the artifact store."""

    named: int
    missing: list[str]
    """Named by a row, and not in the store."""
    strays: list[str]
    """In the store, and named by no row."""


def runs_named(text: str) -> set[UUID]:
    """The runs that a list of ids, JSON of a client, or a log with the paths of requests names."""
    return {UUID(found) for found in _RUN.findall(text)}


async def look_at_ledger(owner_url: str, asked: Collection[UUID], *, hold: bool) -> Ledger:
    """Hold the effects, when asked to, and compare the ledger with the runs that others know of."""
    if hold:
        async with connection(owner_url) as owner:
            await owner.execute(_QUERIES["hold"], uuid7_from(time.time_ns() // 1_000_000, 0))
    async with connection(owner_url) as owner, _all_tenants(owner):
        view = await owner.fetchrow(_QUERIES["view"])
        assert view is not None
        lost: list[UUID] = []
        for some in _portions(sorted(asked)):
            lost += [row["id"] for row in await owner.fetch(_QUERIES["unknown_runs"], some)]
        held = bool(await owner.fetchval(_QUERIES["holds"]))
    return Ledger(view["open_runs"], view["newest"], lost, held)


async def release(owner_url: str) -> None:
    """Hold nothing any more because of a restore."""
    async with connection(owner_url) as owner:
        await owner.execute(_QUERIES["release"])


async def look_at_artifacts(owner_url: str, store: ObjectStore) -> Artifacts:
    """Compare the artifacts that rows name with those in the store."""
    named: set[str] = set()
    async with connection(owner_url) as owner, _all_tenants(owner):
        await owner.execute(_QUERIES["texts"])
        while rows := await owner.fetch(_NEXT_ROWS):
            for row in rows:
                text = bytes(row["text"])
                named |= {f"artifacts/{row['tenant']}/{found.decode()}" for found in _ARTIFACT.findall(text)}
                named |= {found.decode() for found in _PAYLOAD.findall(text)}
    there = {path async for path in store.paths("artifacts/")}
    there |= {path async for path in store.paths("payloads/")}
    return Artifacts(len(named), sorted(named - there), sorted(there - named))


class _LookedError(Exception):
    """Ends the transaction of a look without a trace."""


@contextlib.asynccontextmanager
async def _all_tenants(owner: Connection) -> AsyncGenerator[None]:
    """A transaction that sees the rows of all tenants, and is rolled back."""
    with contextlib.suppress(_LookedError):
        async with owner.transaction():
            await owner.execute(_LOCK_WAIT)
            await owner.execute(_QUERIES["lift_policies"])
            yield
            raise _LookedError


def _portions(asked: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (asked[at : at + _ASKED_MAX] for at in range(0, len(asked), _ASKED_MAX))
