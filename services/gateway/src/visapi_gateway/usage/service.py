"""What a tenant used."""

from collections.abc import Sequence
from datetime import date
from typing import Literal, Protocol

import msgspec

from visapi_common.contracts.usage import UsagePage, UsageView
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.pages import one_page

DAYS_MAX = 366
By = Literal["day", "workflow"]


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The last row of a page."""

    day: date | None
    namespace: str | None
    name: str | None


class UsageRequest(msgspec.Struct, frozen=True):
    """Days of UTC, both included; by default the 30 days that end with `last`, or today. Without `by`
    rows have a day and a workflow.
    """

    first: date | None
    last: date | None
    workflow: str | None
    by: By | None


class UsageStore(Protocol):
    async def page(
        self, tenant: str, wanted: UsageRequest, after: Position | None, limit: int
    ) -> Sequence[UsageView]: ...


class ReadUsage:
    """The use case."""

    def __init__(self, store: UsageStore, clock: WallClock) -> None:
        self._store = store
        self._clock = clock

    async def __call__(
        self, tenant: str, wanted: UsageRequest, position: str | None, limit: int
    ) -> UsagePage:
        """Rows by day, then by workflow. `next` continues from there. Raises `ProblemError` 400."""
        _check(wanted, self._clock.now().date())
        after = None if position is None else msgspec.json.decode(position, type=Position)
        rows = await self._store.page(tenant, wanted, after, limit + 1)
        return UsagePage(*one_page(rows, limit, _position_of))


def _position_of(row: UsageView) -> str:
    return msgspec.json.encode(Position(row.day, row.namespace, row.name)).decode()


def _check(wanted: UsageRequest, today: date) -> None:
    if wanted.first is None:
        return
    if wanted.last is not None and wanted.first > wanted.last:
        raise ProblemError("invalid_query", "from is later than to; exchange the two", status=400)
    if ((wanted.last or today) - wanted.first).days >= DAYS_MAX:
        raise ProblemError(
            "invalid_query", f"a query reads at most {DAYS_MAX} days; ask in parts", status=400
        )
