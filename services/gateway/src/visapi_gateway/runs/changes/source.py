"""The protocol through which the readers of changes read the ledger."""

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from visapi_gateway.runs.changes.rules.changes import ChangedRow
from visapi_gateway.runs.changes.rules.positions import Key


class ChangePage(msgspec.Struct, frozen=True):
    """Rows after a place, oldest first, and the place up to which these are all. `more` can be read at once.
    No transaction has an id from `newest` on. `restored`: the Unix time of the latest restore of the database
    to a point in the past, or 0.
    """

    rows: Sequence[ChangedRow]
    end: Key
    more: bool
    newest: int
    restored: float


class ChangeSource(Protocol):
    async def begin(self, tenants: Collection[str]) -> ChangePage:
        """No rows: the place after everything that has ended. Raises `Fault`."""
        ...

    async def changes(self, tenants: Collection[str], after: Key) -> ChangePage:
        """Of a bounded number of rows and of transactions. Raises `Fault`."""
        ...
