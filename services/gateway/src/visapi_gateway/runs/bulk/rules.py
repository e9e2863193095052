"""Acting on many runs: which of them can be acted on, and how far one has come. Pure."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from visapi_common.contracts.bulk import BulkAction
from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_common.core.errors import ProblemError
from visapi_gateway.runs.reading.rules.filters import RunFilter

COUNT_MAX = 100_000
"""Runs that one token can mean."""
PAGE = 100
"""Runs of one step: one transaction holds them, and the tenant's audit until its end."""

_GOING = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING)
_CAN = {
    BulkAction.CANCEL: (*_GOING, RunStatus.SUSPENDED),
    BulkAction.SUSPEND: _GOING,
    BulkAction.RESUME: (RunStatus.SUSPENDED,),
    BulkAction.RETRY: (RunStatus.FAULTED,),
    BulkAction.RERUN: tuple(sorted(ENDED)),
}


LIVES = timedelta(days=1)
"""How long a token works: well within the time for which the keys of the runs it started are kept."""


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What a token holds. `id` was made when the runs were counted: none with a higher one is meant.

    `counted_at` is the database's time, as the runs' ends are; `last` is the run after which the next
    step goes on, towards older ones.
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
        """How many runs the next step may touch."""
        return min(PAGE, self.count - self.handled)

    def after(self, runs: list[UUID]) -> "Ticket | None":
        """The ticket to go on with, once `runs` are done; None at the end."""
        handled = self.handled + len(runs)
        if len(runs) < self.room or handled >= self.count:
            return None
        return Ticket(self.id, self.counted_at, self.count, handled, runs[-1])


def encode_ticket(ticket: Ticket) -> str:
    return msgspec.json.encode(ticket).decode()


decode_ticket = msgspec.json.Decoder(Ticket).decode


def meant(action: BulkAction, wanted: RunFilter) -> RunFilter:
    """The runs of a filter that can be acted on so. Raises `ProblemError` 400.

    Runs started by other runs are started anew by those; they are meant when `parent` names one.
    """
    if wanted == RunFilter():
        raise _wrong("/filter", "it states nothing and would mean every run; give at least one condition")
    can = _CAN[action]
    statuses = tuple(status for status in wanted.statuses or can if status in can)
    if not statuses:
        raise _wrong("/filter/status", f"{action} acts on runs that are {', '.join(can)}; found none of them")
    top = action is BulkAction.RERUN and wanted.parent is None
    return msgspec.structs.replace(wanted, statuses=statuses, top=top)


def check_version(action: BulkAction, version: str | None) -> None:
    """Only what goes on or begins anew can do so in a version. Raises `ProblemError` 400."""
    if version is not None and action not in (BulkAction.RETRY, BulkAction.RERUN):
        raise _wrong("/version", f"{action} takes no version; only retry and rerun do")


def check_age(ticket: Ticket, now: datetime) -> None:
    """Raises `ProblemError` 400 for a token that is too old."""
    if now - ticket.counted_at > LIVES:
        detail = (
            f"the runs were counted at {ticket.counted_at:%Y-%m-%dT%H:%M:%SZ}, over a day ago; count anew"
        )
        raise ProblemError("invalid_cursor", detail, status=400)


def too_many() -> ProblemError:
    return _wrong("/filter", f"more than {COUNT_MAX:,} runs fit it; narrow it, for instance by time")


def _wrong(pointer: str, detail: str) -> ProblemError:
    told = f"the body is wrong: {pointer}: {detail}"
    return ProblemError("invalid_body", told, status=400, errors=[FieldError(pointer, detail)])
