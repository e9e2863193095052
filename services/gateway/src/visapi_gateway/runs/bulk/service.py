"""One command for many runs: the runs are counted first, then the command is given in steps.

Nothing is stored between the steps: the token holds the progress. The commands of a step are one transaction;
runs that a step starts are accepted one by one. A step may be sent again when its response was lost: a
command has its own inbox key, and a new run has an idempotency key made of the token and the repeated run. A
repeated step does not find the runs that the first one changed.
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
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.one_at_a_time import OneAtATime
from visapi_gateway.runs.bulk.rules import COUNT_MAX, BulkToken, check_age, too_many
from visapi_gateway.runs.commands.retry import Retries
from visapi_gateway.runs.commands.service import Command, Commands, command_of
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.runs.reading.service import RunRow, RunViews
from visapi_gateway.runs.starting.service import Repeated, Start, StartRun

_KINDS = {
    BulkAction.CANCEL: InboxKind.CANCEL,
    BulkAction.SUSPEND: InboxKind.SUSPEND,
    BulkAction.RESUME: InboxKind.RESUME,
}


class BulkRequest(msgspec.Struct, frozen=True):
    """The action. `trace` is the trace of the request, for runs that the action starts."""

    action: BulkAction
    version: str | None
    reason: str | None
    trace: str


class BulkProgress(msgspec.Struct, frozen=True):
    """The result of one step; `next` is None after the last."""

    accepted: int
    unchanged: int
    refused: list[BulkRefusal]
    handled: int
    next: BulkToken | None


class FoundRuns(Protocol):
    async def count(self, tenant: str, wanted: RunFilter, below: UUID, limit: int) -> tuple[int, datetime]:
        """The number of matching runs, at most `limit`, and the database's time of the count."""
        ...

    async def runs(
        self, tenant: str, wanted: RunFilter, before: UUID | None, limit: int
    ) -> Sequence[RunRow]: ...


class BulkRerun:
    """Reruns a run, once for each token."""

    def __init__(self, start: StartRun, views: RunViews) -> None:
        self._start = start
        self._views = views

    async def __call__(self, who: Requester, request: BulkRequest, token: BulkToken, row: RunRow) -> bool:
        """Start the run; returns whether it is new. Raises `ProblemError` where it cannot be started."""
        view = await self._views.view(who.tenant, row)
        start = Start(
            namespace=row.namespace,
            name=row.name,
            version=request.version or row.version,
            body=bytes(view.input),
            key=f"bulk:{token.id}:{row.id}",
            trace=request.trace,
            rerun=Repeated(row.id, who, request.reason, bulk=str(token.id), test=row.test),
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
        repeat: BulkRerun,
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

    async def count(self, who: Requester, wanted: RunFilter) -> BulkToken:
        """Count the runs. Raises `ProblemError` 400 for too many."""
        token = self._ids.uuid7()
        found, counted_at = await self._found.count(who.tenant, wanted, token, COUNT_MAX + 1)
        if found > COUNT_MAX:
            raise too_many()
        return BulkToken(token, counted_at, found)

    async def step(
        self, who: Requester, wanted: RunFilter, request: BulkRequest, token: BulkToken
    ) -> BulkProgress:
        """Act on the next runs. Raises `ProblemError` 400 for a token that is too old, and the store's
        faults; the step may then be sent again. Steps of one tenant run one after another: each is a hundred
        commands, and parallel steps would flood the orchestrator.
        """
        check_age(token, self._clock.now())
        async with self._steps.of(who.tenant):
            return await self._step(who, wanted, request, token)

    async def _step(
        self, who: Requester, wanted: RunFilter, request: BulkRequest, token: BulkToken
    ) -> BulkProgress:
        rows: Sequence[RunRow] = ()
        if token.room > 0:
            rows = await self._found.runs(who.tenant, wanted, token.below, token.room)
        refused: list[BulkRefusal] = []
        if request.action is BulkAction.RERUN:
            accepted = await self._start_all(who, request, token, rows, refused)
        else:
            accepted = await self._send_all(who, request, token, rows, refused)
        return BulkProgress(
            accepted=accepted,
            unchanged=len(rows) - accepted - len(refused),
            refused=refused,
            handled=token.handled + len(rows),
            next=token.after([row.id for row in rows]),
        )

    async def _send_all(
        self,
        who: Requester,
        request: BulkRequest,
        token: BulkToken,
        rows: Sequence[RunRow],
        refused: list[BulkRefusal],
    ) -> int:
        commands: list[Command] = []
        for row in rows:
            try:
                commands.append(await self._command(who, request, token, row))
            except ProblemError as wrong:
                refused.append(BulkRefusal(row.id, wrong.code, wrong.detail))
        return await self._commands.send_all(who.tenant, commands)

    async def _command(self, who: Requester, request: BulkRequest, token: BulkToken, row: RunRow) -> Command:
        bulk = str(token.id)
        if request.action is not BulkAction.RETRY:
            return command_of(
                who, row.id, _KINDS[request.action], request.reason, ident=f"bulk:{bulk}", bulk=bulk
            )
        if row.ended_at is not None and row.ended_at > token.counted_at:
            # Perhaps an earlier step of this token retried the run, and the run faulted again.
            detail = (
                f"run {row.id} faulted at {row.ended_at}, after the runs were counted; count the runs again"
            )
            raise ProblemError("run_not_retryable", detail, status=409)
        wanted = Retry(version=request.version, reason=request.reason)
        return await self._retries.command(who, row, wanted, bulk=bulk)

    async def _start_all(
        self,
        who: Requester,
        request: BulkRequest,
        token: BulkToken,
        rows: Sequence[RunRow],
        refused: list[BulkRefusal],
    ) -> int:
        started = 0
        for row in rows:
            try:
                started += await self._repeat(who, request, token, row)
            except ProblemError as wrong:
                refused.append(BulkRefusal(row.id, wrong.code, wrong.detail))
        return started
