"""Append to the audit within the transaction of the audited action."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from visapi_common.adapters.pool import Connection, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditRecord
from visapi_common.core.audit_chain import GENESIS, encoded, sealed
from visapi_gateway.audit.rules import AuditEntry

_SQL = load_queries("visapi_gateway.audit", "queries.sql")


async def record(connection: Connection, *entries: AuditEntry) -> None:
    """Append to the chains of the entries' tenants, as the last statement of a transaction.

    The chains stay locked until the transaction ends. Several chains are always locked in the same order.
    """
    by_tenant = sorted(entries, key=lambda each: each.tenant)
    for tenant, theirs in groupby(by_tenant, lambda each: each.tenant):
        await connection.execute(_SQL["lock_chain"], tenant)
        last = await connection.fetchrow(_SQL["chain_end"], tenant)
        assert last is not None, "a query that always gives a row"
        await connection.execute(_SQL["append"], tenant, *_columns(_chained(theirs, last)))


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
