"""The ledger: reads runs and writes transitions in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.ids import Ids
from visapi_common.core.named_rows import Statement
from visapi_orchestrator.transitions.rules.child_limits import OPEN_MAX, ChildVerdict
from visapi_orchestrator.transitions.rules.flow import FlowDecision
from visapi_orchestrator.transitions.rules.ledger_answers import (
    CurrentRun,
    HeldCollections,
    LoadedRuns,
    RevivedRuns,
    WriteResult,
    WrittenDeadLetter,
)
from visapi_orchestrator.transitions.rules.related_writes import Definition
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot, readable_rows
from visapi_orchestrator.transitions.rules.write_set import WriteSet
from visapi_orchestrator.transitions.store import families, flow, revival, statements

_SQL = load_queries("visapi_orchestrator.transitions.store", "transitions.sql")
SESSION = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Settings of the pool. Planning `write_batch` anew costs more than running it for one run (0.8 against 0.4
ms measured), so its plan is kept; index scans are asked for, because a sequential scan planned for an empty
table would read all of a full one.
"""

_decode_payload = msgspec.json.Decoder(Payload).decode


class PostgresLedger:
    """See `transitions.ports.Ledger`. Every method is one round trip unless its name is rare."""

    def __init__(self, pool: Pool, ids: Ids, *, family_open_max: int = OPEN_MAX) -> None:
        self._pool = pool
        self._ids = ids
        self._family_open_max = family_open_max

    async def load(self, runs: Collection[UUID]) -> LoadedRuns:
        """The runs that are live, with their inbox, and the database's clock."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["load_runs"], list(runs))
        snapshots = {row["id"]: _snapshot(row) for row in rows}
        return LoadedRuns(snapshots, rows[0]["now_ms"] if rows else None)

    async def write(self, rows: WriteSet) -> WriteResult:
        """Write a batch. Raises `PermanentFault` when PostgreSQL refuses a row (nothing is written),
        `UnknownFault` when the outcome of the commit is unknown.
        """
        with pg_faults(effect=True):
            if not rows.needs_transaction:
                return _written(await _fetch(self._pool, statements.WRITE_BATCH, rows), [])
            async with self._pool.acquire() as connection:
                return await self._write_with_rest(connection, rows)

    async def _write_with_rest(self, connection: Connection, rows: WriteSet) -> WriteResult:
        async with connection.transaction():
            child_verdict = ChildVerdict()
            if rows.children or rows.cancelled_roots:
                child_verdict = await families.admit(connection, rows, self._family_open_max)
            verdict = await _admitted(connection, rows) if rows.has_flow else FlowDecision()
            if rows.has_approvals:
                rows.drop(await _undecided_for(connection, rows))
            if rows.attributes:
                await _write_attributes(connection, rows)
            if rows.cancelled_tasks:
                await _forbid_retries(connection, rows)
            if rows.abandoned_tasks:
                await _record_started(connection, rows)
            updated = await _fetch(connection, statements.WRITE_BATCH, rows)
            done = [row["id"] for row in updated]
            dead_letters = await self._write_rest(connection, rows, done) if rows.has_rest else []
            if rows.has_related:
                await _execute(connection, statements.WRITE_RELATED, rows, done)
            if rows.has_approvals:
                await _execute(connection, statements.WRITE_APPROVALS, rows, done)
            verdict = await _after(connection, rows, done, verdict)
        return _written(updated, dead_letters, verdict, child_verdict)

    async def _write_rest(self, connection: Connection, rows: WriteSet, done: list[UUID]) -> list[Row]:
        rows.dead_letters = [
            msgspec.structs.replace(dead_letter, id=self._ids.uuid7()) for dead_letter in rows.dead_letters
        ]
        return await _fetch(connection, statements.WRITE_REST, rows, done)

    async def tenant_of(self, run: UUID) -> str:
        with pg_faults():
            return await self._pool.fetchval(_SQL["tenant_of"], run) or ""

    async def settled(self, runs: Collection[UUID]) -> dict[UUID, CurrentRun]:
        """The current revision and state of runs, live or ended, after a commit whose answer was lost."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["load_settled"], list(runs))
        return {row["id"]: CurrentRun(row["revision"], row["state"]) for row in rows}

    async def definition(self, tenant: str, wanted: WorkflowRef, *, latest: bool) -> Definition | None:
        """A deployed version, or the highest; None when there is none."""
        version = None if latest else wanted.version
        with pg_faults():
            row = await self._pool.fetchrow(
                statements.DEFINITION, tenant, wanted.namespace, wanted.name, version
            )
        return None if row is None else Definition(row["version"], row["program"])

    async def collections(self, wanted: Mapping[UUID, Sequence[str]]) -> dict[UUID, HeldCollections]:
        pairs = [(run, key) for run, keys in wanted.items() for key in keys]
        with pg_faults():
            rows = await self._pool.fetch(
                _SQL["load_collections"], [run for run, _ in pairs], [key for _, key in pairs]
            )
            held = await self._pool.fetch(_SQL["collections_held"], list(wanted))
        found = {row["run"]: HeldCollections({}, row["number"], row["bytes"]) for row in held}
        for row in rows:
            found[row["run"]].stored[row["key"]] = row["body"]
        return found

    async def revive(self, runs: Collection[UUID]) -> RevivedRuns:
        """Make ended runs live that a person, or their parent, asked to retry."""
        with pg_faults():
            async with self._pool.acquire() as connection:
                return await revival.revive(connection, runs)

    async def forget(self, runs: Collection[UUID]) -> None:
        """Drop rows addressed to runs that are not live."""
        with pg_faults():
            await self._pool.execute(_SQL["forget_absent"], list(runs))


async def _fetch(
    source: Connection | Pool, statement: Statement, rows: WriteSet, *leading: object
) -> list[Row]:
    return await source.fetch(statement.sql, *statement.parameters(rows, *leading))


async def _execute(connection: Connection, statement: Statement, rows: WriteSet, *leading: object) -> None:
    await connection.execute(statement.sql, *statement.parameters(rows, *leading))


async def _undecided_for(connection: Connection, rows: WriteSet) -> frozenset[UUID]:
    """The runs that open or close a question and have not read a decision on it.

    Until the transaction ends, no decision on these questions is accepted, so the first decision counts even
    at the moment of a deadline, a timeout or the run's end.
    """
    questions = [*rows.closed_approvals, *rows.opened_approvals]
    await connection.execute(
        statements.LOCK_APPROVALS, [one.tenant for one in questions], [one.id for one in questions]
    )
    found = await _fetch(connection, statements.UNREAD_DECISIONS, rows)
    return frozenset(row["run"] for row in found)


async def _write_attributes(connection: Connection, rows: WriteSet) -> None:
    """Before the transition is written, which then moves the rows of ended runs as they are."""
    changed = await _fetch(connection, statements.SET_ATTRIBUTES, rows)
    await connection.execute(statements.INDEX_ATTRIBUTES, [row["id"] for row in changed])


async def _record_started(connection: Connection, rows: WriteSet) -> None:
    """A later attempt at an abandoned task that a worker has begun, and may do once only, is uncertain."""
    runs, revisions = [live.run for live in rows.live], [live.revision for live in rows.live]
    await _execute(connection, statements.RECORD_STARTED, rows, runs, revisions)


async def _forbid_retries(connection: Connection, rows: WriteSet) -> None:
    """A run cannot be retried when its failure cancels a task of class `once` that a worker has begun."""
    cancelled = await _fetch(connection, statements.LOCK_CANCELLED_TASKS, rows)
    runs = {row["run"] for row in cancelled if row["state"] != "queued"}
    rows.ended = [msgspec.structs.replace(end, resume=None) if end.run in runs else end for end in rows.ended]


async def _admitted(connection: Connection, rows: WriteSet) -> FlowDecision:
    """Decide which runs may begin; the rows of the others are removed."""
    await flow.lock(connection, rows.slot_requests, rows.slot_releases)
    if not rows.slot_requests:
        return FlowDecision()
    verdict = await flow.admit(connection, rows.slot_requests)
    rows.drop(verdict.waiting | verdict.rejected)
    return verdict


async def _after(
    connection: Connection, rows: WriteSet, done: list[UUID], verdict: FlowDecision
) -> FlowDecision:
    """After the ends of runs: cancel their families, and assign their slots to waiting runs."""
    cancelled = [root for root in rows.cancelled_roots if root in done]
    if cancelled:
        await families.cancel(connection, cancelled)
    if rows.abandoned_runs:
        await flow.release_abandoned(connection, [run for run in rows.abandoned_runs if run in done])
    slot_releases = [leave for leave in rows.slot_releases if leave.run in done]
    if not slot_releases:
        return verdict
    awake = verdict.awake | await flow.release(connection, slot_releases)
    return msgspec.structs.replace(verdict, awake=awake)


def _written(
    updated: list[Row],
    dead_letters: list[Row],
    verdict: FlowDecision | None = None,
    child_verdict: ChildVerdict | None = None,
) -> WriteResult:
    return WriteResult(
        {row["id"]: row["age_s"] for row in updated},
        [WrittenDeadLetter(row["run"], row["path"], row["attempt"], row["reason"]) for row in dead_letters],
        verdict or FlowDecision(),
        child_verdict or ChildVerdict(),
    )


def _snapshot(row: Row) -> RunSnapshot:
    return RunSnapshot(
        run=row["id"],
        tenant=row["tenant"],
        workflow=WorkflowRef(row["namespace"], row["name"], row["version"]),
        program=row["program"],
        status=RunStatus(row["status"]),
        revision=row["revision"],
        seq=row["seq"],
        state=row["state"],
        trace=row["trace"],
        priority=row["priority"],
        created_at=row["created_at"],
        input=_payload(row["input"]),
        parent=row["parent"],
        parent_path=row["parent_path"],
        root=row["root"],
        depth=row["depth"],
        quiet=row["quiet"],
        test=row["test"],
        inbox=readable_rows(row["inbox"] or ()),
    )


def _payload(body: bytes | None) -> Payload | None:
    """None also for bytes that are no payload: the run will fault, the other runs go on."""
    try:
        return None if body is None else _decode_payload(body)
    except msgspec.DecodeError:
        return None
