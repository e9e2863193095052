"""The ledger behind `runs.starting.commits`: one statement per batch."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Pool, pg_faults, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.subjects import partition_of
from visapi_gateway.runs.starting.commits import Holder, NewRun, RequestKey

_encode = msgspec.json.Encoder().encode
_SQL = load_queries("visapi_gateway.runs.starting", "queries.sql")


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
                    rows = await connection.fetch(_SQL["accept"], *_columns(runs))
        return {row["id"] for row in rows}

    async def _accept_audited(self, runs: Sequence[NewRun]) -> set[UUID]:
        async with tenant_transaction(self._pool, _tenants(runs)) as connection:
            rows = await connection.fetch(_SQL["accept"], *_columns(runs))
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


def _columns(runs: Sequence[NewRun]) -> list[object]:
    """The arrays of `accept`, in its order."""
    rows = [
        (
            run.id,
            run.tenant,
            run.namespace,
            run.name,
            run.version,
            run.program,
            partition_of(run.id),
            run.trace,
            _encode(run.input),
            run.started_by,
            run.created_at,
            run.key,
            run.body_hash,
            run.rerun_of,
        )
        for run in runs
    ]
    return [",".join(sorted(_tenants(runs))), *map(list, zip(*rows, strict=True))]
