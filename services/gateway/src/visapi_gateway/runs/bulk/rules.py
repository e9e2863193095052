"""Bulk commands: which runs an action applies to, and the progress token. Pure."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from visapi_common.contracts.bulk import BulkAction
from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_common.core.errors import ProblemError
from visapi_gateway.runs.reading.rules.filters import RunFilter

COUNT_MAX = 100_000
"""The most runs that one token covers."""
PAGE = 100
"""Runs of one step. One transaction locks them, and the tenant's audit chain."""

_GOING = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING)
_CAN = {
    BulkAction.CANCEL: (*_GOING, RunStatus.SUSPENDED),
    BulkAction.SUSPEND: _GOING,
    BulkAction.RESUME: (RunStatus.SUSPENDED,),
    BulkAction.RETRY: (RunStatus.FAULTED,),
    BulkAction.RERUN: tuple(sorted(ENDED)),
}


LIVES = timedelta(days=1)
"""The life of a token: well below the life of the idempotency keys of the runs that it starts."""


class BulkToken(msgspec.Struct, frozen=True, array_like=True):
    """The contents of a token. `id` is made when the runs are counted: runs with a higher id are excluded.

    `counted_at` is the database's time, like the end times of runs. `last` is the last run of the previous
    step; the next step continues with older runs.
    """

    id: UUID
    counted_at: datetime
    count: int
    handled: int = 0
    last: UUID | None = None

    @property
    def below(self) -> UUID:
        return self.last or self.id

    @property
    def room(self) -> int:
        """The most runs of the next step."""
        return min(PAGE, self.count - self.handled)

    def after(self, runs: list[UUID]) -> "BulkToken | None":
        """The token to continue with, once `runs` are done; None at the end."""
        handled = self.handled + len(runs)
        if len(runs) < self.room or handled >= self.count:
            return None
        return BulkToken(self.id, self.counted_at, self.count, handled, runs[-1])


def encode_token(token: BulkToken) -> str:
    return msgspec.json.encode(token).decode()


decode_token = msgspec.json.Decoder(BulkToken).decode


def meant(action: BulkAction, wanted: RunFilter) -> RunFilter:
    """The filter, narrowed to runs that the action applies to. Raises `ProblemError` 400.

    Rerun skips child runs, which their parents start, unless `parent` names a parent.
    """
    if wanted == RunFilter():
        raise _wrong("/filter", "it is empty and would select every run; give at least one condition")
    can = _CAN[action]
    statuses = tuple(status for status in wanted.statuses or can if status in can)
    if not statuses:
        raise _wrong("/filter/status", f"{action} acts on runs that are {', '.join(can)}; found none of them")
    top = action is BulkAction.RERUN and wanted.parent is None
    return msgspec.structs.replace(wanted, statuses=statuses, top=top)


def check_version(action: BulkAction, version: str | None) -> None:
    """Only retry and rerun take a version. Raises `ProblemError` 400."""
    if version is not None and action not in (BulkAction.RETRY, BulkAction.RERUN):
        raise _wrong("/version", f"{action} takes no version; only retry and rerun do")


def check_age(token: BulkToken, now: datetime) -> None:
    """Raises `ProblemError` 400 for a token that is too old."""
    if now - token.counted_at > LIVES:
        detail = (
            f"the runs were counted at {token.counted_at:%Y-%m-%dT%H:%M:%SZ}, over a day ago; count the "
            "runs again"
        )
        raise ProblemError("invalid_cursor", detail, status=400)


def too_many() -> ProblemError:
    return _wrong("/filter", f"more than {COUNT_MAX:,} runs match; narrow the filter, for instance by time")


def _wrong(pointer: str, detail: str) -> ProblemError:
    summary = f"the body is wrong: {pointer}: {detail}"
    return ProblemError("invalid_body", summary, status=400, errors=[FieldError(pointer, detail)])
