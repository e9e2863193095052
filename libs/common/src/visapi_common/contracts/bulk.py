"""Acting on many runs at once: what is asked, counted and told (`POST /v1/runs/bulk`)."""

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
    """Some of the runs. `told` were told now, or started anew; `unchanged` had been before.

    `refused` are left as they are. `handled` of `count` are behind us. `next` is the
    token to go on with; null when all is done.
    """

    told: int
    unchanged: int
    refused: list[BulkRefusal]
    handled: int
    count: int
    next: str | None
