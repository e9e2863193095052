"""Approvals in PostgreSQL, as one tenant sees them."""

from collections.abc import Collection, Sequence
from uuid import UUID

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import LIMITED_TO, Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_gateway.approvals.service import ApprovalRow, Verdict
from visapi_gateway.runs.commands.transaction import put_inbox

_SQL = load_queries("visapi_gateway.approvals", "queries.sql")
LIST_LIMITED = _SQL["list_approvals_of_workflows"]


class PgApprovalStore:
    """See `approvals.service.ApprovalStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def approvals(
        self, tenant: str, state: str | None, run: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[ApprovalRow]:
        limited_to = LIMITED_TO.get()
        async with tenant_transaction(self._pool, [tenant]) as connection:
            if limited_to is None or run is not None:
                rows = await connection.fetch(_SQL["list_approvals"], tenant, before, state, run, limit)
            else:
                rows = await connection.fetch(LIST_LIMITED, tenant, before, state, *spans(limited_to), limit)
        return [ApprovalRow(**row) for row in rows]

    async def approval(self, tenant: str, approval: UUID, digest: bytes | None) -> ApprovalRow | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            row = await connection.fetchrow(_SQL["approval"], tenant, approval, digest)
        return None if row is None else ApprovalRow(**row)

    async def decide(self, verdict: Verdict) -> bool:
        async with tenant_transaction(self._pool, [verdict.tenant]) as connection:
            run = await connection.fetchval(
                _SQL["decide"], verdict.tenant, verdict.id, verdict.decision, verdict.comment, verdict.by
            )
            if run is not None:
                await put_inbox(connection, verdict.inbox_row)
                await record(connection, verdict.audit)
        return run is not None


def spans(limited_to: Collection[str]) -> tuple[list[str], list[str]]:
    """Where the workflows of a limited key begin among `namespace/name:version`, and what follows each."""
    whole = {entry.removesuffix("*") for entry in limited_to if entry.endswith("/*")}
    names = {f"{entry}:" for entry in limited_to if f"{entry.partition('/')[0]}/" not in whole}
    first = sorted(whole | names)
    return first, [begin[:-1] + chr(ord(begin[-1]) + 1) for begin in first]
