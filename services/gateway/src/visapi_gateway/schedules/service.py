"""Schedules: next times, latest decisions, pause, run now, backfill."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.schedules import Backfill, Backfilled, FireView, SchedulePage, ScheduleView
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError, UnknownFault
from visapi_common.core.ids import uuid7_from
from visapi_engine.schedule.decisions import Schedule, fires_after, within
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.kernel.pages import one_page

NEXT_SHOWN = 10
FIRES_SHOWN = 50
BACKFILL_MAX = 1000
_OLDEST = datetime(1970, 1, 1, tzinfo=UTC)
_decode = msgspec.json.Decoder(Schedule).decode


class ScheduleRow(msgspec.Struct, frozen=True):
    """A stored schedule."""

    id: UUID
    namespace: str
    name: str
    version: str
    spec: bytes
    anchor: datetime
    last_fire: datetime
    last_run: UUID | None
    buffered: datetime | None
    paused: bool
    next_fire: datetime | None


class NewRuns(msgspec.Struct, frozen=True):
    """The runs to start for fires of a schedule, each with the input `value`."""

    schedule: UUID
    runs: Sequence[tuple[datetime, UUID]]
    value: bytes
    fires: int
    """How many times the request is about, the decided ones included."""


class ScheduleStore(Protocol):
    async def page(self, tenant: str, after: tuple[str, str] | None, limit: int) -> Sequence[ScheduleRow]: ...
    async def one(self, name: WorkflowName) -> ScheduleRow | None: ...
    async def fires(self, tenant: str, schedule: UUID, limit: int) -> Sequence[FireView]: ...
    async def pause(self, name: WorkflowName, paused: bool, audit: AuditEntry) -> bool: ...
    async def known(self, tenant: str, schedule: UUID, fires: Sequence[datetime]) -> set[datetime]: ...
    async def backfill(self, new: NewRuns, audit: AuditEntry, claim: Claim | None) -> Backfilled:
        """Start runs for undecided fires. Nothing is audited when no run starts. The request's
        `Idempotency-Key` is held with the result.
        """
        ...


class TakenTokens(Protocol):
    def give_back(self) -> None:
        """The run was not started."""
        ...


class TakeRuns(Protocol):
    async def __call__(self, tenant: str, started_by: str, runs: int, /) -> Sequence[TakenTokens]:
        """The tokens of each run, or of none. Raises `ProblemError` 429 when a quota has too few left, and
        `TransientFault`.
        """
        ...


class Schedules:
    """`hint` tells the orchestrator of a started run, `refuse_full` raises for a full tenant, and `take_runs`
    takes from the quotas of runs.
    """

    def __init__(
        self,
        store: ScheduleStore,
        clock: WallClock,
        bits: Callable[[], int],
        *,
        hint: Callable[[UUID], None],
        refuse_full: Callable[[str], None],
        take_runs: TakeRuns,
    ) -> None:
        self._refuse_full = refuse_full
        self._take_runs = take_runs
        self._store = store
        self._clock = clock
        self._bits = bits
        self._hint = hint

    async def page(self, tenant: str, after: tuple[str, str] | None, limit: int) -> SchedulePage:
        """By name. `next` is the name to continue from."""
        rows = await self._store.page(tenant, after, limit + 1)
        shown, more = one_page(rows, limit, lambda row: f"{row.namespace}/{row.name}")
        return SchedulePage([self._view(row, []) for row in shown], more)

    async def view(self, name: WorkflowName) -> ScheduleView:
        """Raises `ProblemError` 404."""
        row = await self._row(name)
        return self._view(row, await self._store.fires(name[0], row.id, FIRES_SHOWN))

    async def pause(self, who: Requester, name: WorkflowName, *, paused: bool) -> ScheduleView:
        action = AuditAction.SCHEDULE_PAUSE if paused else AuditAction.SCHEDULE_RESUME
        if not await self._store.pause(name, paused, entry(who, action, _target(name))):
            raise _unknown(name)
        return await self.view(name)

    async def run_now(self, who: Requester, name: WorkflowName, claim: Claim | None = None) -> Backfilled:
        """Start a run of the schedule now, in addition to its times."""
        row = await self._row(name)
        audit = entry(who, AuditAction.SCHEDULE_TRIGGER, _target(name))
        return await self._start(row, [self._clock.now()], 1, audit, claim)

    async def backfill(
        self, who: Requester, name: WorkflowName, wanted: Backfill, claim: Claim | None = None
    ) -> Backfilled:
        """Run the undecided times of a range. A repetition starts nothing twice."""
        row = await self._row(name)
        spec = _decode(row.spec)
        if spec.after_ms is not None:
            raise _bad("a schedule `after` has no times to backfill")
        if wanted.since.tzinfo is None or wanted.until.tzinfo is None or wanted.since > wanted.until:
            raise _bad("`from` and `to` must be times with an offset, `from` not later than `to`")
        if wanted.since < _OLDEST:
            raise _bad("`from` must not lie before 1970")
        if wanted.until > self._clock.now():
            raise _bad("`to` must not lie in the future")
        anchor = min(row.anchor, wanted.since - timedelta(days=1)) if spec.cron else row.anchor
        fires = list(islice(within(spec, anchor, since=wanted.since, until=wanted.until), BACKFILL_MAX + 1))
        if len(fires) > BACKFILL_MAX:
            raise _bad(f"the range has more than {BACKFILL_MAX} times; backfill it in parts")
        known = await self._store.known(who.tenant, row.id, fires)
        fresh = [fire for fire in fires if fire not in known]
        if wanted.dry_run:
            return Backfilled(len(fires), len(fresh), [])
        audit = entry(
            who,
            AuditAction.SCHEDULE_BACKFILL,
            _target(name),
            since=wanted.since.isoformat(),
            until=wanted.until.isoformat(),
            runs=len(fresh),
        )
        if not fresh and claim is None:
            return Backfilled(len(fires), 0, [])
        return await self._start(row, fresh, len(fires), audit, claim)

    async def _start(
        self,
        row: ScheduleRow,
        fresh: Sequence[datetime],
        fires: int,
        audit: AuditEntry,
        claim: Claim | None,
    ) -> Backfilled:
        taken: Sequence[TakenTokens] = ()
        if fresh:
            self._refuse_full(audit.tenant)
            taken = await self._take_runs(audit.tenant, audit.actor, len(fresh))
        spec = _decode(row.spec)
        now_ms = int(self._clock.now().timestamp() * 1000)
        runs = [(fire, uuid7_from(now_ms, self._bits())) for fire in fresh]
        value = b'{"inline":%b}' % msgspec.json.encode(spec.input)
        try:
            done = await self._store.backfill(NewRuns(row.id, runs, value, fires), audit, claim)
        except UnknownFault:
            # Perhaps the runs were committed: then they count.
            raise
        except Exception:
            for tokens in taken:
                tokens.give_back()
            raise
        for tokens in taken[len(done.runs) :]:
            tokens.give_back()
        for run in done.runs:
            self._hint(run)
        return done

    async def _row(self, name: WorkflowName) -> ScheduleRow:
        row = await self._store.one(name)
        if row is None:
            raise _unknown(name)
        return row

    def _view(self, row: ScheduleRow, fires: Sequence[FireView]) -> ScheduleView:
        spec = _decode(row.spec)
        coming: list[datetime] = []
        if not row.paused and spec.after_ms is None:
            coming = list(islice(fires_after(spec, row.anchor, self._clock.now()), NEXT_SHOWN))
        elif not row.paused and row.next_fire is not None:
            coming = [row.next_fire]
        shown: dict[str, Any] = msgspec.to_builtins(spec)
        here = f"/v1/schedules/{row.namespace}/{row.name}"
        return ScheduleView(
            namespace=row.namespace,
            name=row.name,
            version=row.version,
            spec=shown,
            paused=row.paused,
            next=coming,
            last_run=row.last_run,
            buffered=row.buffered,
            fires=list(fires),
            links={
                "self": here,
                "workflow": f"/v1/workflows/{row.namespace}/{row.name}/versions/{row.version}",
                "pause": f"{here}/pause",
                "resume": f"{here}/resume",
                "trigger": f"{here}/trigger",
                "backfill": f"{here}/backfill",
            },
        )


def _target(name: WorkflowName) -> str:
    return f"schedule:{name[1]}/{name[2]}"


def _unknown(name: WorkflowName) -> ProblemError:
    detail = f"the highest version of {name[1]}/{name[2]} has no schedule"
    return ProblemError("schedule_not_found", detail, status=404)


def _bad(detail: str) -> ProblemError:
    return ProblemError("invalid_body", detail, status=400)
