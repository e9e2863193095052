"""One look at one schedule: what starts, what is skipped, what is cancelled, when to look again. Pure."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from visapi_common.core.ids import uuid7_from
from visapi_engine.schedule.decisions import Schedule, look, may_start

POLL = timedelta(seconds=1)
"""How often a run that a schedule waits for is looked at."""
FULL_POLL = timedelta(seconds=5)
"""How often a schedule that waits for its tenant's open runs is looked at."""


class Due(msgspec.Struct, frozen=True):
    """A schedule as it was claimed. `live` counts its runs; `ended` is when its last run ended."""

    id: UUID
    tenant: str
    namespace: str
    name: str
    version: str
    program: bytes
    spec: Schedule
    anchor: datetime
    last_fire: datetime
    last_run: UUID | None
    buffered: datetime | None
    now: datetime
    live: int
    ended: datetime | None = None
    full: bool = False
    """The tenant has as many open runs as it may have."""


class FirePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The decision: fires to start, in order (`replace` cancels the live runs first), and the other fires."""

    start: list[datetime] = []
    replace: bool = False
    skipped: list[datetime] = []
    missed: list[datetime] = []
    last_fire: datetime
    buffered: datetime | None = None
    next_look: datetime
    next_fire: datetime | None = None


class ClaimedSchedule(NamedTuple):
    """The row of a schedule. `read` decodes the rest; its errors are caused by the row's contents."""

    id: UUID
    tenant: str
    spec: bytes
    read: Callable[[], Due]


class DecidedSchedule(NamedTuple):
    """A schedule and what was decided about it."""

    due: Due
    plan: FirePlan


def decide(due: Due) -> FirePlan:
    """What to do now. While the tenant may start no run, fires wait; those that the catch-up policy would not
    run any more are recorded as missed.
    """
    plan = _decide(due)
    if not plan.start or not due.full:
        return plan
    return FirePlan(
        missed=plan.missed,
        last_fire=max(plan.missed, default=due.last_fire),
        buffered=due.buffered,
        next_look=due.now + FULL_POLL,
        next_fire=plan.next_fire,
    )


def _decide(due: Due) -> FirePlan:
    if due.spec.after_ms is not None:
        return _follow(due, due.spec.after_ms)
    seen = look(due.spec, key=str(due.id), anchor=due.anchor, last=due.last_fire, now=due.now)
    start: list[datetime] = []
    skipped: list[datetime] = []
    live, buffered, replace = due.live, due.buffered, False
    if buffered is not None and live == 0:
        start.append(buffered)
        live, buffered = 1, None
    for fire in seen.due:
        match may_start(due.spec.overlap, live=live, buffered=buffered is not None):
            case "start":
                start.append(fire)
                live += 1
            case "replace":
                replace = True
                skipped += start
                start = [fire]
            case "buffer" if buffered is None:
                buffered = fire
            case _:
                skipped.append(fire)
    handled = [*seen.due, *seen.missed]
    return FirePlan(
        start=start,
        replace=replace,
        skipped=skipped,
        missed=seen.missed,
        last_fire=max(handled, default=due.last_fire),
        buffered=buffered,
        next_look=min(seen.next_look, due.now + POLL) if buffered is not None else seen.next_look,
        next_fire=seen.next_fire,
    )


def _follow(due: Due, after_ms: int) -> FirePlan:
    """`after`: the first run at once, each further one a while after the one before has ended."""
    if due.last_run is None:
        return FirePlan(start=[due.now], last_fire=due.now, next_look=due.now + POLL)
    if due.ended is None:
        return FirePlan(last_fire=due.last_fire, next_look=due.now + POLL)
    fire = due.ended + timedelta(milliseconds=after_ms)
    if fire > due.now:
        return FirePlan(last_fire=due.last_fire, next_look=fire, next_fire=fire)
    return FirePlan(start=[fire], last_fire=fire, next_look=due.now + POLL)


def run_of(schedule: UUID, fire: datetime) -> UUID:
    """The run of a fire: always the same one, with the fire's time in its id."""
    digest = hashlib.sha256(schedule.bytes + fire.isoformat().encode()).digest()
    return uuid7_from(int(fire.timestamp() * 1000), int.from_bytes(digest[:10], "big"))
