"""The public shapes of schedules."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class FireView(msgspec.Struct, frozen=True):
    """A fire that was decided on: started, skipped, missed or backfilled."""

    at: datetime
    outcome: str
    run: UUID | None


class ScheduleView(msgspec.Struct, frozen=True):
    """A schedule: that of the highest version of a workflow. `spec` is as it is kept, in milliseconds."""

    namespace: str
    name: str
    version: str
    spec: dict[str, Any]
    paused: bool
    next: list[datetime]
    """The times that come next; empty where they follow from runs, or while it is paused."""
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
    """The range to run, both ends included. With `dry_run` nothing is started."""

    since: datetime
    until: datetime
    dry_run: bool = False


class Backfilled(msgspec.Struct, frozen=True):
    """`fires` lie in the range, `started` of them were started now; the rest had been decided on before."""

    fires: int
    started: int
    runs: list[UUID]
