"""The public shapes of schedules."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class FireView(msgspec.Struct, frozen=True):
    """A decided fire: started, skipped, missed or backfilled."""

    at: datetime
    outcome: str
    run: UUID | None


class ScheduleView(msgspec.Struct, frozen=True):
    """The schedule of the highest version of a workflow. `spec` is the stored form, in milliseconds."""

    namespace: str
    name: str
    version: str
    spec: dict[str, Any]
    paused: bool
    next: list[datetime]
    """The next times; empty where the times depend on runs, or while the schedule is paused."""
    last_run: UUID | None
    buffered: datetime | None
    fires: list[FireView]
    """The latest decisions, newest first; empty in lists."""
    links: dict[str, str]


class SchedulePage(msgspec.Struct, frozen=True):
    items: list[ScheduleView]
    next: str | None


class Backfill(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}
):
    """The range to backfill, both ends included. With `dry_run` nothing is started."""

    since: datetime
    until: datetime
    dry_run: bool = False


class Backfilled(msgspec.Struct, frozen=True):
    """`fires` is the number of times in the range, `started` the number of runs started now; the others were
    decided before.
    """

    fires: int
    started: int
    runs: list[UUID]
