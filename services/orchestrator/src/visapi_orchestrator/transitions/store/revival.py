"""Resumes ended runs in PostgreSQL, as a person or their waiting parent asked."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import InboxBody
from visapi_common.contracts.foreign import version_of
from visapi_common.contracts.formats import NEWEST
from visapi_orchestrator.transitions.rules.ledger_answers import RevivedRuns
from visapi_orchestrator.transitions.rules.related_writes import end_again, end_key

_SQL = load_queries("visapi_orchestrator.transitions.store", "revival.sql")
_decode = msgspec.json.Decoder(InboxBody).decode
_encode = msgspec.json.Encoder().encode


async def revive(connection: Connection, runs: Collection[UUID]) -> RevivedRuns:
    """Make runs live that can be resumed; notify the parents of the others. Each statement is complete by
    itself.
    """
    found = await connection.fetch(_SQL["retries_asked"], list(runs))
    rows = [row for row in found if version_of(row["body"]) <= NEWEST.messages]
    if not rows:
        return RevivedRuns([], [])
    asked = {row["run"]: _decode(row["body"]) for row in reversed(rows)}
    versions = [body.version for body in asked.values()]
    programs = [body.program for body in asked.values()]
    async with connection.transaction():
        await connection.execute(_SQL["hold_families"], list(asked))
        back = await connection.fetch(_SQL["revive"], list(asked), versions, programs)
    live = [row["id"] for row in back]
    wanted = {row["run"] for row in rows if _decode(row["body"]).parent is not None}.difference(live)
    return RevivedRuns(live, await _notify_parents(connection, wanted) if wanted else [])


async def _notify_parents(connection: Connection, children: Collection[UUID]) -> list[UUID]:
    parents: list[UUID] = []
    notified: list[UUID] = []
    tenants: list[str] = []
    bodies: list[bytes] = []
    ends: list[str] = []
    keys: list[str] = []
    for row in await connection.fetch(_SQL["ends_again"], list(children)):
        asked = _decode(row["body"])
        if asked.parent is None:
            continue
        end = end_again(asked, row["run"], row["status"], row["output"], row["error"])
        parents.append(asked.parent)
        notified.append(row["run"])
        tenants.append(row["tenant"])
        bodies.append(_encode(end))
        ends.append(end_key(row["run"], end.resume_count))
        keys.append(row["key"])
    if parents:
        await connection.execute(_SQL["notify_parents"], parents, notified, tenants, bodies, ends, keys)
    return parents
