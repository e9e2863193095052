"""The audit in PostgreSQL: appended within the transactions of other stores, read as pages."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec

from visapi_common.adapters.pool import Connection, Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditRecord
from visapi_common.core.audit_chain import GENESIS, encoded, sealed
from visapi_gateway.audit.rules import AuditEntry
from visapi_gateway.audit.service import AuditFilter

_SQL = load_queries("visapi_gateway.audit", "queries.sql")
_decode = msgspec.json.Decoder(dict[str, object]).decode


async def record(connection: Connection, *entries: AuditEntry) -> None:
    """Append to the chains of the entries' tenants, as the last thing that a transaction does.

    Until its end nobody else appends to these chains. Several chains are locked in one order.
    """
    by_tenant = sorted(entries, key=lambda each: each.tenant)
    for tenant, theirs in groupby(by_tenant, lambda each: each.tenant):
        await connection.execute(_SQL["lock_chain"], tenant)
        last = await connection.fetchrow(_SQL["chain_end"], tenant)
        assert last is not None, "a query that always gives a row"
        await connection.execute(_SQL["append"], tenant, *_columns(_chained(theirs, last)))


class AuditLog:
    """See `app.read_audit.AuditSource`."""

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


def _chained(entries: Iterable[AuditEntry], last: Row) -> list[AuditRecord]:
    now: datetime = last["now"]
    seq, previous = last["seq"] or 0, last["hash"] or GENESIS
    made: list[AuditRecord] = []
    for entry in entries:
        seq += 1
        made.append(
            sealed(
                AuditRecord(
                    tenant=entry.tenant,
                    seq=seq,
                    time=now,
                    actor=entry.actor,
                    action=entry.action.value,
                    target=entry.target,
                    reason=entry.reason,
                    request_id=entry.request_id,
                    details=entry.details,
                    previous=previous,
                    hash="",
                )
            )
        )
        previous = made[-1].hash
    return made


def _columns(records: Sequence[AuditRecord]) -> Iterable[list[object]]:
    """The arrays of `append`, in its order."""
    rows = [
        (
            each.seq,
            each.time,
            each.actor,
            each.action,
            each.target,
            each.reason,
            each.request_id,
            encoded(each.details),
            bytes.fromhex(each.previous),
            bytes.fromhex(each.hash),
        )
        for each in records
    ]
    return map(list, zip(*rows, strict=True))
