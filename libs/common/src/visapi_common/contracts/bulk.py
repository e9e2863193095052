"""Bulk commands: request, count and result (`POST /v1/runs/bulk`)."""

from enum import StrEnum
from uuid import UUID

import msgspec


class BulkAction(StrEnum):
    """The action on each run, as the single command of that name."""

    CANCEL = "cancel"
    SUSPEND = "suspend"
    RESUME = "resume"
    RETRY = "retry"
    RERUN = "rerun"


class BulkCount(msgspec.Struct, frozen=True):
    """The number of matching runs. `token` starts the command; it is valid for a day and excludes runs that
    are created later.
    """

    count: int
    token: str


class BulkRefusal(msgspec.Struct, frozen=True):
    """A run that refused the command, with the problem that the single command would return."""

    run: UUID
    code: str
    detail: str


class BulkStep(msgspec.Struct, frozen=True):
    """The result of one step. `accepted` counts runs that got the command or were started by this step,
    `unchanged` runs that got the command earlier.

    `refused` lists runs that refused the command. `handled` of `count` runs are done. `next` is the token of
    the next step; null after the last.
    """

    accepted: int
    unchanged: int
    refused: list[BulkRefusal]
    handled: int
    count: int
    next: str | None
