"""The messages of a batch, grouped by run: deliveries, inbox rows and due timers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from visapi_common.contracts.engine_messages import TaskResult, Trigger


class Receipt(Protocol):
    """A delivery that can be acknowledged or handed back."""

    def ack(self) -> None: ...
    def nak(self, delay_s: float | None = None) -> None: ...


@dataclass(slots=True)
class DueTimer:
    """A timer whose time has come by the database's clock."""

    id: str
    fire_at_ms: int


@dataclass(frozen=True, slots=True)
class ChildLimit:
    """How many child runs a run may start, and the reason for the limit."""

    room: int
    reason: str


@dataclass(slots=True)
class RunMessages:
    """The messages of one batch for one run. `receipts` are acknowledged once the run has consumed them.

    `look` says that rows in PostgreSQL wait for the run: its inbox, or a run whose trigger was lost.
    """

    run: UUID
    trigger: Trigger | None = None
    results: list[TaskResult] = field(default_factory=list[TaskResult])
    timers: list[DueTimer] = field(default_factory=list[DueTimer])
    has_waiting_rows: bool = False
    receipts: list[Receipt] = field(default_factory=list[Receipt])
    child_limit: ChildLimit | None = None
    """Set where the ledger refused the child runs of an earlier round."""

    def absorb(self, other: "RunMessages") -> None:
        """Add what came later."""
        self.trigger = self.trigger or other.trigger
        self.results += other.results
        self.timers += [timer for timer in other.timers if timer not in self.timers]
        self.has_waiting_rows = self.has_waiting_rows or other.has_waiting_rows
        self.receipts += other.receipts

    @property
    def count(self) -> int:
        """The number of messages, for bounds and metrics."""
        return (self.trigger is not None) + len(self.results) + len(self.timers) + self.has_waiting_rows


def group(messages: Iterable[RunMessages]) -> dict[UUID, RunMessages]:
    """One entry per run, in the order of arrival; a run's own order is kept."""
    by_run: dict[UUID, RunMessages] = {}
    for one in messages:
        known = by_run.get(one.run)
        if known is None:
            by_run[one.run] = one
        else:
            known.absorb(one)
    return by_run
