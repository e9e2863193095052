"""Decides about the fires of a schedule: which are due, which are missed, which may start. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import msgspec

from visapi_engine.schedule.fires import cron_fires, every_fires, jitter, zone_of

ON_TIME = timedelta(seconds=60)
"""A fire that is decided on within a minute is not missed, whatever the catch-up policy."""
FIRES_MAX = 1000
"""Fires decided on in one look; the others are looked at again at once."""


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A compiled schedule (dsl-reference, Schedule): one of `every_ms`, `cron`, `after_ms`; the rest is
    `document.metadata.visapi.schedule`.

    `overlap` is allow, skip, buffer-one or cancel-previous; `catch_up` none, latest or all, `window_ms`
    how old a missed fire may be.
    """

    every_ms: int | None = None
    cron: str | None = None
    after_ms: int | None = None
    timezone: str = "UTC"
    overlap: str = "allow"
    catch_up: str = "latest"
    window_ms: int | None = None
    jitter_ms: int = 0
    paused: bool = False
    input: Any = None


class ScheduleDecision(msgspec.Struct, frozen=True):
    """What a look at a schedule decided: fires to start, fires to skip, and when to look next."""

    due: list[datetime]
    missed: list[datetime]
    next_fire: datetime
    next_look: datetime


def fires_after(schedule: Schedule, anchor: datetime, after: datetime) -> Iterator[datetime]:
    """The fire times after a moment. `after_ms` schedules have none: they follow their runs."""
    if schedule.every_ms is not None:
        return every_fires(schedule.every_ms, anchor, after)
    assert schedule.cron is not None, "a schedule that follows its runs has no fire times"
    return cron_fires(schedule.cron, zone_of(schedule.timezone), after)


def look(
    schedule: Schedule, *, key: str, anchor: datetime, last: datetime, now: datetime
) -> ScheduleDecision:
    """Decide about every fire after `last` that is due by now; `key` spreads the jitter."""

    def starts_at(fire: datetime) -> datetime:
        return fire + jitter(schedule.jitter_ms, schedule=key, fire=fire)

    coming = fires_after(schedule, anchor, last)
    passed: list[datetime] = []
    upcoming = next(coming)
    while starts_at(upcoming) <= now and len(passed) < FIRES_MAX:
        passed.append(upcoming)
        upcoming = next(coming)
    due = _caught_up(schedule, passed, now)
    kept = set(due)
    return ScheduleDecision(due, [fire for fire in passed if fire not in kept], upcoming, starts_at(upcoming))


def _caught_up(schedule: Schedule, passed: Sequence[datetime], now: datetime) -> list[datetime]:
    late_ms = schedule.jitter_ms
    on_time = [fire for fire in passed if now - fire <= ON_TIME + timedelta(milliseconds=late_ms)]
    if schedule.catch_up == "none":
        return on_time
    wanted = list(passed)
    if schedule.window_ms is not None:
        oldest = now - timedelta(milliseconds=schedule.window_ms)
        wanted = [fire for fire in wanted if fire >= oldest or fire in on_time]
    if schedule.catch_up == "all":
        return wanted
    missed = [fire for fire in wanted if fire not in on_time]
    return on_time or missed[-1:]


def within(schedule: Schedule, anchor: datetime, *, since: datetime, until: datetime) -> Iterator[datetime]:
    """The fire times from one moment to another, both included: what a backfill runs."""
    first = since - timedelta(milliseconds=1)
    return takewhile(lambda fire: fire <= until, fires_after(schedule, anchor, first))


def may_start(overlap: str, *, live: int, buffered: bool) -> str:
    """What to do with a due fire: start, skip, buffer, or replace (cancel what runs, then start)."""
    if live == 0 and not buffered:
        return "start"
    match overlap:
        case "skip":
            return "skip"
        case "buffer-one":
            return "buffer"
        case "cancel-previous":
            return "replace"
        case _:
            return "start"
