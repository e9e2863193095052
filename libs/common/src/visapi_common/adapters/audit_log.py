"""Appends to the audit within the transaction of the audited action."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry, AuditRecord
from visapi_common.core.audit_chain import Head, chained, encoded

_SQL = load_queries("visapi_common.adapters", "sql/audit_log.sql")


async def record(connection: Connection, *entries: AuditEntry) -> None:
    """Append to the chains of the entries' tenants, as the last statement of a transaction.

    The chains stay locked until the transaction ends. Several chains are always locked in the same order.
    """
    by_tenant = sorted(entries, key=lambda each: each.tenant)
    for tenant, theirs in groupby(by_tenant, lambda each: each.tenant):
        await lock_chain(connection, tenant)
        last = await connection.fetchrow(_SQL["chain_end"], tenant)
        assert last is not None, "a query that always gives a row"
        head = None if last["seq"] is None else Head(last["seq"], last["hash"])
        await connection.execute(_SQL["append"], tenant, *_columns(chained(theirs, head, last["now"])))


async def lock_chain(connection: Connection, tenant: str) -> None:
    """Keep the chain of a tenant as it is until the transaction ends."""
    await connection.execute(_SQL["lock_chain"], tenant)


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
