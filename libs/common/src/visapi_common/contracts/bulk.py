"""Bulk commands: request, count and result (`POST /v1/runs/bulk`)."""

from enum import StrEnum
from uuid import UUID

import msgspec


class BulkAction(StrEnum):
    """What is done to each of the runs, as by the single command of that name."""

    CANCEL = "cancel"
    SUSPEND = "suspend"
    RESUME = "resume"
    RETRY = "retry"
    RERUN = "rerun"


class BulkCount(msgspec.Struct, frozen=True):
    """How many runs are meant. `token` lets this be done, for a day, to none that was created later."""

    count: int
    token: str


class BulkRefusal(msgspec.Struct, frozen=True):
    """A run that was left as it is, with the problem that the single command answers."""

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
