"""The audit in PostgreSQL: read as pages, and cut."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import msgspec

from visapi_common.adapters.audit_log import lock_chain, record
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditAction, AuditEntry, AuditRecord
from visapi_common.core.audit_chain import Cut
from visapi_gateway.audit.service import AuditFilter

_SQL = load_queries("visapi_gateway.audit", "queries.sql")
_TENANTS_AT_ONCE = 500
_RETENTION = "retention"
"""The actor of cuts."""
_decode = msgspec.json.Decoder(dict[str, object]).decode


class PgAuditStore:
    """See `audit.service.AuditSource`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, tenant: str, wanted: AuditFilter, below: int | None, limit: int
    ) -> Sequence[AuditRecord]:
        conditions = (wanted.action, wanted.actor, wanted.since, wanted.until)
        query = _SQL["list_audit" if wanted.target is None else "list_audit_of_target"]
        target = () if wanted.target is None else (wanted.target,)
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(query, tenant, below, *conditions, limit, *target)
        return [_record(row) for row in rows]


class PgAuditCuts:
    """See `audit.retention.CutRows`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def tenants_to_cut(self, days: int) -> Sequence[str]:
        with pg_faults():
            known = [row["id"] for row in await self._pool.fetch(_SQL["tenants"])]
        found: list[str] = []
        for at in range(0, len(known), _TENANTS_AT_ONCE):
            some = known[at : at + _TENANTS_AT_ONCE]
            async with tenant_transaction(self._pool, some) as connection:
                found += [row["id"] for row in await connection.fetch(_SQL["tenants_to_cut"], some, days)]
        return found

    async def oldest(self, tenant: str, days: int, limit: int) -> Sequence[AuditRecord]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["oldest"], tenant, days, limit)
        return [_record(row) for row in takewhile(lambda row: row["is_old"], rows)]

    async def cut(self, tenant: str, cut: Cut) -> bool:
        details: dict[str, Any] = msgspec.to_builtins(cut)
        entry = AuditEntry(tenant, _RETENTION, AuditAction.AUDIT_CUT, f"audit:{tenant}", None, "", details)
        async with tenant_transaction(self._pool, [tenant]) as connection:
            await lock_chain(connection, tenant)
            if await connection.fetchval(_SQL["first_seq"], tenant) != cut.first:
                return False
            await record(connection, entry)
            await connection.execute(_SQL["cut"], tenant, cut.last)
        return True


def _record(row: Row) -> AuditRecord:
    columns: dict[str, Any] = dict(row)
    columns["details"] = _decode(row["details"])
    columns.pop("is_old", None)
    return AuditRecord(**columns)
