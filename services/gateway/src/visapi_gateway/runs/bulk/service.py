"""One command for many runs: counted first, then done in steps.

Nothing is kept between the steps: the token says how far one has come. The commands of a step are
one transaction; runs that it starts are accepted one by one. It may be sent again when its answer
was lost or it broke off: commands are rows under keys of their own, new runs under keys made of the
token and the run they repeat. Runs that the lost step has changed since are not met again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.bulk import BulkAction, BulkRefusal
from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.contracts.gateway_bodies import Retry
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_gateway.kernel.access.scopes import Asker
from visapi_gateway.kernel.one_at_a_time import OneAtATime
from visapi_gateway.runs.bulk.rules import COUNT_MAX, Ticket, check_age, too_many
from visapi_gateway.runs.commands.retry import Retries
from visapi_gateway.runs.commands.service import Commands, Order, order_of
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.runs.reading.service import RunRow, RunViews
from visapi_gateway.runs.starting.service import Repeated, Start, StartRun

_KINDS = {
    BulkAction.CANCEL: InboxKind.CANCEL,
    BulkAction.SUSPEND: InboxKind.SUSPEND,
    BulkAction.RESUME: InboxKind.RESUME,
}


class Wish(msgspec.Struct, frozen=True):
    """What is to be done; `trace` is that of the request, for runs that it starts."""

    action: BulkAction
    version: str | None
    reason: str | None
    trace: str


class BulkProgress(msgspec.Struct, frozen=True):
    """What became of some of the runs; `next` is None when all are done."""

    told: int
    unchanged: int
    refused: list[BulkRefusal]
    handled: int
    next: Ticket | None


class FoundRuns(Protocol):
    async def count(self, tenant: str, wanted: RunFilter, below: UUID, limit: int) -> tuple[int, datetime]:
        """How many runs fit, counted to `limit`, and when that was by the store's clock."""
        ...

    async def runs(
        self, tenant: str, wanted: RunFilter, before: UUID | None, limit: int
    ) -> Sequence[RunRow]: ...


class Repeat:
    """Starts a run like one that was, once for each token."""

    def __init__(self, start: StartRun, views: RunViews) -> None:
        self._start = start
        self._views = views

    async def __call__(self, who: Asker, wish: Wish, ticket: Ticket, row: RunRow) -> bool:
        """Whether it is new. Raises `ProblemError` where it cannot be started."""
        view = await self._views.view(who.tenant, row)
        start = Start(
            namespace=row.namespace,
            name=row.name,
            version=wish.version or row.version,
            body=bytes(view.input),
            key=f"bulk:{ticket.id}:{row.id}",
            trace=wish.trace,
            rerun=Repeated(row.id, who, wish.reason, bulk=str(ticket.id)),
        )
        return not (await self._start(who, start)).replayed


class Bulk:
    """The use case."""

    def __init__(
        self,
        found: FoundRuns,
        commands: Commands,
        *,
        retries: Retries,
        repeat: Repeat,
        ids: Ids,
        clock: WallClock,
    ) -> None:
        self._found = found
        self._steps = OneAtATime()
        self._commands = commands
        self._retries = retries
        self._repeat = repeat
        self._ids = ids
        self._clock = clock

    async def count(self, who: Asker, wanted: RunFilter) -> Ticket:
        """Raises `ProblemError` 400 when they are too many."""
        ticket = self._ids.uuid7()
        found, counted_at = await self._found.count(who.tenant, wanted, ticket, COUNT_MAX + 1)
        if found > COUNT_MAX:
            raise too_many()
        return Ticket(ticket, counted_at, found)

    async def step(self, who: Asker, wanted: RunFilter, wish: Wish, ticket: Ticket) -> BulkProgress:
        """Act on the next runs. Raises `ProblemError` 400 for a ticket that is too old, and the store's
        faults; sending it again is safe then. Steps of one tenant follow one another: each is the work of
        a hundred commands, and in parallel they would fill the orchestrator.
        """
        check_age(ticket, self._clock.now())
        async with self._steps.of(who.tenant):
            return await self._step(who, wanted, wish, ticket)

    async def _step(self, who: Asker, wanted: RunFilter, wish: Wish, ticket: Ticket) -> BulkProgress:
        rows: Sequence[RunRow] = ()
        if ticket.room > 0:
            rows = await self._found.runs(who.tenant, wanted, ticket.below, ticket.room)
        refused: list[BulkRefusal] = []
        if wish.action is BulkAction.RERUN:
            told = await self._started(who, wish, ticket, rows, refused)
        else:
            told = await self._told(who, wish, ticket, rows, refused)
        return BulkProgress(
            told=told,
            unchanged=len(rows) - told - len(refused),
            refused=refused,
            handled=ticket.handled + len(rows),
            next=ticket.after([row.id for row in rows]),
        )

    async def _told(
        self, who: Asker, wish: Wish, ticket: Ticket, rows: Sequence[RunRow], refused: list[BulkRefusal]
    ) -> int:
        orders: list[Order] = []
        for row in rows:
            try:
                orders.append(await self._order(who, wish, ticket, row))
            except ProblemError as wrong:
                refused.append(BulkRefusal(row.id, wrong.code, wrong.detail))
        return await self._commands.tell_all(who.tenant, orders)

    async def _order(self, who: Asker, wish: Wish, ticket: Ticket, row: RunRow) -> Order:
        bulk = str(ticket.id)
        if wish.action is not BulkAction.RETRY:
            return order_of(who, row.id, _KINDS[wish.action], wish.reason, ident=f"bulk:{bulk}", bulk=bulk)
        if row.ended_at is not None and row.ended_at > ticket.counted_at:
            # Perhaps this very token took it up before, and it faulted anew.
            detail = f"run {row.id} faulted at {row.ended_at}, after the runs were counted; count anew"
            raise ProblemError("run_not_retryable", detail, status=409)
        wanted = Retry(version=wish.version, reason=wish.reason)
        return await self._retries.order(who, row, wanted, bulk=bulk)

    async def _started(
        self, who: Asker, wish: Wish, ticket: Ticket, rows: Sequence[RunRow], refused: list[BulkRefusal]
    ) -> int:
        started = 0
        for row in rows:
            try:
                started += await self._repeat(who, wish, ticket, row)
            except ProblemError as wrong:
                refused.append(BulkRefusal(row.id, wrong.code, wrong.detail))
        return started
