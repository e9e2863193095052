"""The audit in PostgreSQL, read as pages."""

from collections.abc import Sequence
from typing import Any

import msgspec

from visapi_common.adapters.pool import Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditRecord
from visapi_gateway.audit.service import AuditFilter

_SQL = load_queries("visapi_gateway.audit", "queries.sql")
_decode = msgspec.json.Decoder(dict[str, object]).decode


class PgAuditStore:
    """See `audit.service.AuditSource`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, tenant: str, wanted: AuditFilter, below: int | None, limit: int
    ) -> Sequence[AuditRecord]:
        narrowed = (wanted.action, wanted.actor, wanted.since, wanted.until)
        query = _SQL["list_audit" if wanted.target is None else "list_audit_of_target"]
        target = () if wanted.target is None else (wanted.target,)
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(query, tenant, below, *narrowed, limit, *target)
        return [_record(row) for row in rows]


def _record(row: Row) -> AuditRecord:
    columns: dict[str, Any] = dict(row)
    columns["details"] = _decode(row["details"])
    return AuditRecord(**columns)
