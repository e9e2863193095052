"""The history of tenants' runs in the order of its transactions."""

from collections.abc import Collection
from uuid import UUID

from visapi_common.adapters.pool import Pool, Row, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_gateway.runs.changes.rules.changes import ChangedRow
from visapi_gateway.runs.changes.rules.positions import Key, before_transaction
from visapi_gateway.runs.changes.source import ChangePage

_SQL = load_queries("visapi_gateway.runs.changes", "queries.sql")
CHANGES = _SQL["changes"]
ROWS = 200
BYTES = 1024 * 1024
TRANSACTIONS = 500
"""Of these at most a page passes over the rows, whomever they belong to."""


class PgChanges:
    """See `runs.changes.source.ChangeSource`. Each read is one short transaction under the tenants' row-level
    security.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, tenants: Collection[str]) -> ChangePage:
        async with tenant_transaction(self._pool, tenants) as connection:
            row = (await connection.fetch(_SQL["upto"]))[0]
        return ChangePage(
            [], before_transaction(int(row["upto"])), False, int(row["newest"]), row["restored"] or 0.0
        )

    async def changes(self, tenants: Collection[str], after: Key) -> ChangePage:
        xid, run, seq = after
        until = str(xid + TRANSACTIONS)
        async with tenant_transaction(self._pool, tenants) as connection:
            await connection.execute(_SQL["in_time"])
            found = await connection.fetch(
                CHANGES, sorted(tenants), str(xid), UUID(run), seq, until, ROWS, BYTES
            )
        return _page(found, after)


def _page(found: list[Row], after: Key) -> ChangePage:
    first = found[0]
    rows = [row for row in found if row["run"] is not None]
    cut = bool(rows) and (rows[0]["found"] == ROWS or rows[0]["found"] > len(rows))
    last = rows[-1] if rows else first
    # A place beyond the snapshot is kept: another replica may have read further.
    end = (
        (int(last["xid"]), str(last["run"]), int(last["last_seq"]))
        if cut
        else max(after, before_transaction(int(first["ends"])))
    )
    more = cut or int(first["ends"]) < int(first["upto"])
    return ChangePage([_row(row) for row in rows], end, more, int(first["newest"]), first["restored"] or 0.0)


def _row(row: Row) -> ChangedRow:
    workflow = WorkflowRef(row["namespace"], row["name"], row["version"])
    return ChangedRow(
        int(row["xid"]), row["run"], row["tenant"], row["first_seq"], row["items"], workflow, row["test"]
    )
