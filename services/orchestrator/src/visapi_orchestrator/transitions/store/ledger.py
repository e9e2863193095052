"""The ledger: reads runs and writes transitions in PostgreSQL."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from visapi_common.adapters.clock import Ids
from visapi_common.adapters.pool import Connection, Pool, Row, pg_faults
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import InboxKind, WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.runs import RunStatus
from visapi_orchestrator.transitions.rules.flow import Verdict
from visapi_orchestrator.transitions.rules.kinship import OPEN_MAX, Kin
from visapi_orchestrator.transitions.rules.ledger_answers import (
    Loaded,
    Revived,
    Settled,
    Written,
    WrittenLetter,
)
from visapi_orchestrator.transitions.rules.related import Definition
from visapi_orchestrator.transitions.rules.snapshot import Facts, InboxRow
from visapi_orchestrator.transitions.rules.write_set import Attributes, WriteSet
from visapi_orchestrator.transitions.store import approvals, families, flow, revival

_SQL = load_queries("visapi_orchestrator.transitions.store", "transitions.sql")
_ATTRIBUTES = load_queries("visapi_orchestrator.transitions.store", "attributes.sql")
_FAMILY = load_queries("visapi_orchestrator.transitions.store", "related.sql")
SESSION = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Settings of the pool. Planning `write_batch` anew costs more than running it for one run (0.8 against
0.4 ms measured), so its plan is kept; the tables may be empty when it is made, so index scans are
asked for: a plan made for an empty table must not read a full one to its end."""

_KINDS = frozenset(kind.value for kind in InboxKind)
_decode_payload = msgspec.json.Decoder(Payload).decode


class PostgresLedger:
    """See `transitions.ports.Ledger`. Every method is one round trip unless its name is rare."""

    def __init__(self, pool: Pool, ids: Ids, *, family_open_max: int = OPEN_MAX) -> None:
        self._pool = pool
        self._ids = ids
        self._family_open_max = family_open_max

    async def load(self, runs: Collection[UUID]) -> Loaded:
        """The runs that are live, with their inbox, and the database's clock."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["load_runs"], list(runs))
        facts = {row["id"]: _facts(row) for row in rows}
        return Loaded(facts, rows[0]["now_ms"] if rows else None)

    async def write(self, rows: WriteSet) -> Written:
        """Write a batch. Raises `PermanentFault` when PostgreSQL refuses a row (nothing is written),
        `UnknownFault` when nobody knows whether it was committed.
        """
        with pg_faults(effect=True):
            if not rows.needs_transaction:
                return _written(await self._pool.fetch(_SQL["write_batch"], *_columns(rows)), [])
            async with self._pool.acquire() as connection:
                return await self._write_with_rest(connection, rows)

    async def _write_with_rest(self, connection: Connection, rows: WriteSet) -> Written:
        async with connection.transaction():
            kin = Kin()
            if rows.children.id or rows.cancelled_roots.run:
                kin = await families.admit(connection, rows, self._family_open_max)
            verdict = await _admitted(connection, rows) if rows.has_flow else Verdict()
            if rows.has_approvals:
                rows.drop(await approvals.unheard(connection, rows))
            if rows.attributes.run:
                await _write_attributes(connection, rows.attributes)
            if rows.cancelled.run:
                await _forbid_retries(connection, rows)
            if rows.given_up.run:
                await _remember_started(connection, rows)
            updated = await connection.fetch(_SQL["write_batch"], *_columns(rows))
            done = [row["id"] for row in updated]
            letters: list[Row] = []
            if rows.has_rest:
                letters = await connection.fetch(_SQL["write_rest"], *self._rest_columns(rows, done))
            if rows.has_family:
                await connection.execute(_FAMILY["write_family"], *_family_columns(rows, done))
            if rows.has_approvals:
                await approvals.write(connection, rows, done)
            verdict = await _after(connection, rows, done, verdict)
        return _written(updated, letters, verdict, kin)

    def _rest_columns(self, rows: WriteSet, done: list[UUID]) -> tuple[object, ...]:
        letters, closed, recorded = rows.letters, rows.closed, rows.recorded
        return (
            done,
            rows.inbox.run,
            rows.inbox.key,
            [self._ids.uuid7() for _ in letters.run],
            letters.run,
            letters.path,
            letters.attempt,
            letters.function,
            letters.reason,
            letters.detail,
            letters.held,
            letters.tenant,
            closed.run,
            closed.path,
            closed.actor,
            closed.decision,
            recorded.run,
            recorded.revision,
            recorded.events,
        )

    async def tenant_of(self, run: UUID) -> str:
        with pg_faults():
            return await self._pool.fetchval(_SQL["tenant_of"], run) or ""

    async def settled(self, runs: Collection[UUID]) -> dict[UUID, Settled]:
        """Where runs stand, live or ended, after a commit whose answer was lost."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["load_settled"], list(runs))
        return {row["id"]: Settled(row["revision"], row["state"]) for row in rows}

    async def definition(self, tenant: str, wanted: WorkflowRef, *, latest: bool) -> Definition | None:
        """A deployed version, or the highest; None when there is none."""
        version = None if latest else wanted.version
        with pg_faults():
            row = await self._pool.fetchrow(
                _FAMILY["definition"], tenant, wanted.namespace, wanted.name, version
            )
        return None if row is None else Definition(row["version"], row["program"])

    async def revive(self, runs: Collection[UUID]) -> Revived:
        """Make ended runs live that somebody, or their parent, asked to take up again."""
        with pg_faults():
            async with self._pool.acquire() as connection:
                return await revival.revive(connection, runs)

    async def forget(self, runs: Collection[UUID]) -> None:
        """Drop rows addressed to runs that are not live."""
        with pg_faults():
            await self._pool.execute(_SQL["forget_absent"], list(runs))


async def _write_attributes(connection: Connection, changed: Attributes) -> None:
    """Before the transition is written, which then moves the rows of ended runs as they are."""
    set_now = await connection.fetch(
        _ATTRIBUTES["set_attributes"], changed.run, changed.revision, changed.values
    )
    await connection.execute(_ATTRIBUTES["index_attributes"], [row["id"] for row in set_now])


async def _forbid_retries(connection: Connection, rows: WriteSet) -> None:
    """A run whose failure cancels what somebody has begun, and may do once only, cannot be retried."""
    cancelled = rows.cancelled
    begun = await connection.fetch(_SQL["begun"], cancelled.run, cancelled.key)
    runs = {row["run"] for row in begun if row["state"] != "queued"}
    rows.ended.resume = [
        None if run in runs else resume for run, resume in zip(rows.ended.run, rows.ended.resume, strict=True)
    ]


async def _remember_started(connection: Connection, rows: WriteSet) -> None:
    """What somebody has begun, may do once only, and will not be heard of: a later attempt is uncertain."""
    given_up, live = rows.given_up, rows.live
    columns = (live.run, live.revision, given_up.run, given_up.key)
    await connection.execute(_SQL["remember_started"], *columns)


async def _admitted(connection: Connection, rows: WriteSet) -> Verdict:
    """Decide who may begin; who may not is taken out of the rows."""
    await flow.lock(connection, rows.asks, rows.leaves)
    if not rows.asks:
        return Verdict()
    verdict = await flow.admit(connection, rows.asks)
    rows.drop(verdict.waiting | verdict.rejected)
    return verdict


async def _after(connection: Connection, rows: WriteSet, done: list[UUID], verdict: Verdict) -> Verdict:
    """What follows from the ends of runs: their families obey, others have their places."""
    cancelled = [root for root in rows.cancelled_roots.run if root in done]
    if cancelled:
        await families.cancel(connection, cancelled)
    if rows.unseen.run:
        await flow.leave_unseen(connection, [run for run in rows.unseen.run if run in done])
    leaves = [leave for leave in rows.leaves if leave.run in done]
    if not leaves:
        return verdict
    awake = verdict.awake | await flow.leave(connection, leaves)
    return msgspec.structs.replace(verdict, awake=awake)


def _columns(rows: WriteSet) -> tuple[object, ...]:
    live, ended, history, tasks = rows.live, rows.ended, rows.history, rows.new_tasks
    return (
        live.run,
        live.revision,
        live.status,
        live.seq,
        live.state,
        ended.run,
        ended.revision,
        ended.status,
        ended.seq,
        ended.output,
        ended.error,
        history.run,
        history.first_seq,
        history.last_seq,
        history.items,
        tasks.run,
        tasks.path,
        tasks.attempt,
        tasks.function,
        tasks.effect_key,
        tasks.token,
        tasks.message,
        rows.gone_tasks.run,
        rows.gone_tasks.key,
        rows.new_timers.run,
        rows.new_timers.id,
        rows.new_timers.fire_at_ms,
        rows.gone_timers.run,
        rows.gone_timers.key,
        ended.resume,
        tasks.held,
    )


def _family_columns(rows: WriteSet, done: list[UUID]) -> tuple[object, ...]:
    children, told, heard, emitted = rows.children, rows.told, rows.subscriptions, rows.emitted
    return (
        done,
        children.id,
        children.parent,
        children.parent_path,
        children.tenant,
        children.namespace,
        children.name,
        children.version,
        children.program,
        children.trace,
        children.input,
        children.priority,
        told.source,
        told.run,
        told.key,
        told.tenant,
        told.kind,
        told.body,
        heard.run,
        heard.path,
        heard.n,
        heard.tenant,
        heard.shape,
        heard.key,
        rows.gone_subscriptions.run,
        rows.gone_subscriptions.key,
        emitted.run,
        emitted.tenant,
        emitted.source,
        emitted.id,
        emitted.type,
        emitted.body,
        children.root,
        children.depth,
    )


def _written(
    updated: list[Row], letters: list[Row], verdict: Verdict | None = None, kin: Kin | None = None
) -> Written:
    return Written(
        {row["id"]: row["age_s"] for row in updated},
        [WrittenLetter(row["run"], row["path"], row["attempt"], row["reason"]) for row in letters],
        verdict or Verdict(),
        kin or Kin(),
    )


def _facts(row: Row) -> Facts:
    return Facts(
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
        # A kind that this release does not know is left for a newer one, or set aside by the sweep.
        inbox=tuple(
            InboxRow(key, InboxKind(kind), body) for key, kind, body in row["inbox"] or () if kind in _KINDS
        ),
    )


def _payload(body: bytes | None) -> Payload | None:
    """None also for something that is no payload: the run will fault, its neighbours go on."""
    try:
        return None if body is None else _decode_payload(body)
    except msgspec.DecodeError:
        return None
