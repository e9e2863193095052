"""Flow control: the runs that hold a slot, and the runs that wait for one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from visapi_common.contracts.limits import LimitPage, LimitView
from visapi_gateway.kernel.pages import one_page


class LimitRow(msgspec.Struct, frozen=True):
    """A key with its counts. `scope` is `namespace/name`, `key` JSON text or empty, `lim` 0 for none."""

    scope: str
    key: str
    lim: int
    under_way: int
    waiting: int
    waiting_since: datetime | None
    next_turn: datetime | None


class LimitStore(Protocol):
    async def page(
        self, tenant: str, workflow: str | None, after: tuple[str, str] | None, limit: int
    ) -> Sequence[LimitRow]: ...


class ReadLimits:
    """The use case."""

    def __init__(self, store: LimitStore) -> None:
        self._store = store

    async def __call__(
        self, tenant: str, workflow: str | None, position: str | None, limit: int
    ) -> LimitPage:
        """Limits, ordered by workflow and key. `next` is the position to continue from."""
        after = None if position is None else msgspec.json.decode(position, type=tuple[str, str])
        rows = await self._store.page(tenant, workflow, after, limit + 1)
        shown, more = one_page(rows, limit, lambda row: msgspec.json.encode((row.scope, row.key)).decode())
        return LimitPage([_view(row) for row in shown], more)


def _view(row: LimitRow) -> LimitView:
    namespace, _, name = row.scope.partition("/")
    return LimitView(
        namespace=namespace,
        name=name,
        key=msgspec.json.decode(row.key) if row.key else None,
        limit=row.lim or None,
        under_way=row.under_way,
        waiting=row.waiting,
        waiting_since=row.waiting_since,
        next_turn=row.next_turn,
    )
