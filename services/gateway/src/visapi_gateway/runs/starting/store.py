"""The ledger behind `runs.starting.commits`: one statement per batch."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.subjects import partition_of
from visapi_common.core.named_rows import BigInt, SmallInt, Statement
from visapi_gateway.runs.starting.commits import Holder, NewRun, RequestKey

_encode = msgspec.json.Encoder().encode
_SQL = load_queries("visapi_gateway.runs.starting", "queries.sql")


class _NewRow(msgspec.Struct, frozen=True):
    """A run as `accept` takes it."""

    id: UUID
    tenant: str
    namespace: str
    name: str
    version: str
    program: bytes
    partition: SmallInt
    trace: str
    input: bytes
    started_by: str
    created_at: datetime
    key: str | None
    body_hash: bytes | None
    rerun_of: UUID | None
    stored_bytes: BigInt
    """Of an input that lies in the artifact store."""
    test: bool


class _Batch(NamedTuple):
    """The rows of `accept`, by relation."""

    new_runs: Sequence[_NewRow]


_ACCEPT = Statement(_SQL["accept"], {"new_runs": _NewRow}, leading=1)


class PgRunLedger:
    """Inserts runs as `visapi_gateway`, under the policies of the batch's tenants."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def accept(self, runs: Sequence[NewRun]) -> set[UUID]:
        if any(run.audit is not None for run in runs):
            return await self._accept_audited(runs)
        with pg_faults():
            async with self._pool.acquire() as connection:
                # A failure from here on may come after a commit.
                with pg_faults(effect=True):
                    rows = await connection.fetch(_ACCEPT.sql, *_parameters(runs))
        return {row["id"] for row in rows}

    async def _accept_audited(self, runs: Sequence[NewRun]) -> set[UUID]:
        async with tenant_transaction(self._pool, _tenants(runs)) as connection:
            rows = await connection.fetch(_ACCEPT.sql, *_parameters(runs))
            inserted = {row["id"] for row in rows}
            await record(
                connection, *(run.audit for run in runs if run.audit is not None and run.id in inserted)
            )
        return inserted

    async def taken_keys(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Holder]:
        tenants = [tenant for tenant, _ in keys]
        async with tenant_transaction(self._pool, set(tenants)) as connection:
            rows = await connection.fetch(_SQL["taken_keys"], tenants, [key for _, key in keys])
        return {(row["tenant"], row["key"]): Holder(row["run"], row["body_hash"]) for row in rows}

    async def present(self, runs: Sequence[NewRun]) -> set[UUID]:
        async with tenant_transaction(self._pool, _tenants(runs)) as connection:
            rows = await connection.fetch(_SQL["present_runs"], [run.id for run in runs])
        return {row["id"] for row in rows}


def _tenants(runs: Iterable[NewRun]) -> set[str]:
    return {run.tenant for run in runs}


def _parameters(runs: Sequence[NewRun]) -> list[object]:
    rows = _Batch([_row(run) for run in runs])
    return _ACCEPT.parameters(rows, ",".join(sorted(_tenants(runs))))


def _row(run: NewRun) -> _NewRow:
    return _NewRow(
        id=run.id,
        tenant=run.tenant,
        namespace=run.namespace,
        name=run.name,
        version=run.version,
        program=run.program,
        partition=partition_of(run.id),
        trace=run.trace,
        input=_encode(run.input),
        started_by=run.started_by,
        created_at=run.created_at,
        key=run.key,
        body_hash=run.body_hash,
        rerun_of=run.rerun_of,
        stored_bytes=run.input.size or 0,
        test=run.test,
    )
