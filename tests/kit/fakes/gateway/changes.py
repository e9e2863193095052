"""History in the order of its transactions, in memory."""

from bisect import bisect_right, insort
from collections.abc import Collection
from itertools import islice, takewhile
from uuid import UUID

from kit.fakes.faults import Planned
from kit.gateway_world import lifecycle
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_gateway.runs.changes.rules.changes import ChangedRow
from visapi_gateway.runs.changes.rules.positions import Key, before_transaction
from visapi_gateway.runs.changes.source import ChangePage

ROWS = 200
FLOW = WorkflowRef("test", "flow", "1.0.0")


class FakeChanges:
    """See `runs.changes.source.ChangeSource`. A transaction that is begun hides the later ones until it ends."""

    def __init__(self) -> None:
        self.faults = Planned()
        self.restored = 0.0
        self.next = 1000
        """The id of the next transaction."""
        self.rows_read = 0
        self.page_rows = ROWS
        self._open: set[int] = set()
        self._rows: list[ChangedRow] = []

    def begin_transaction(self) -> int:
        self.next += 1
        self._open.add(self.next - 1)
        return self.next - 1

    def commit(self, transaction: int) -> None:
        self._open.discard(transaction)

    def put(
        self,
        tenant: str,
        run: UUID,
        *types: str,
        first_seq: int = 1,
        workflow: WorkflowRef = FLOW,
        test: bool = False,
        transaction: int | None = None,
    ) -> None:
        """A row of history, in a transaction of its own unless one is named."""
        xid = transaction
        if xid is None:
            xid = self.begin_transaction()
            self.commit(xid)
        if any(kind.startswith("workflow.") for kind in types):
            row = ChangedRow(xid, run, tenant, first_seq, lifecycle(first_seq, *types), workflow, test)
            insort(self._rows, row, key=_last)

    def damage(self, tenant: str, run: UUID) -> None:
        """A row that nobody can read."""
        self.put(tenant, run, "workflow.started")
        row = self._rows.pop()
        self._rows.append(ChangedRow(row.xid, run, tenant, 1, b'[{"type":"workflow.', row.workflow, row.test))

    def put_back(self, to: int, at: float) -> None:
        """The database is restored to the point before a transaction."""
        self._rows = [row for row in self._rows if row.xid < to]
        self.next, self.restored = to, at

    async def begin(self, tenants: Collection[str]) -> ChangePage:
        await self.faults.enter("begin")
        assert tenants
        return ChangePage([], before_transaction(self._upto), False, self.next, self.restored)

    async def changes(self, tenants: Collection[str], after: Key) -> ChangePage:
        upto, newest = self._upto, self.next
        later = islice(self._rows, bisect_right(self._rows, after, key=_last), None)
        ended = takewhile(lambda row: row.xid < upto, later)
        rows = list(islice((row for row in ended if row.tenant in tenants), self.page_rows))
        await self.faults.enter("changes")
        self.rows_read += len(rows)
        cut = len(rows) == self.page_rows
        end = _last(rows[-1]) if cut else max(after, before_transaction(upto))
        return ChangePage(rows, end, cut, newest, self.restored)

    @property
    def _upto(self) -> int:
        return min(self._open, default=self.next)


def _last(row: ChangedRow) -> Key:
    return (row.xid, str(row.run), row.first_seq + row.items.count(b'"type"') - 1)
