"""Triggers, taken round-robin over tenants. Pure of I/O but for acknowledging.

The stream holds triggers in the order of their commits, so a tenant that starts many runs at once delays
everybody who comes later. Therefore triggers are read ahead into one queue per tenant. Queued triggers are
acknowledged: their runs are pending in the ledger, and the sweep finds them should this process die. When the
queue is full, triggers of the tenant with the most are deferred: the sweep claims their runs when there is
room again, tenant by tenant (`claim_runs`).
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol
from uuid import UUID

import msgspec

from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.batches.reading import Incoming, Intake
from visapi_orchestrator.kernel.rules.fair_queue import FairQueue
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.kernel.rules.usage import Usage

READ_AHEAD: Final = 2048
QUEUE_MAX: Final = 2048
FEW: Final = 8
"""A tenant of which so many wait has no backlog."""
_INPUT_MAX: Final = 4096
"""A trigger with a longer input is queued without it; the run is read later."""


class PulledMessages(Protocol):
    """A continuous pull (`adapters.pull_loop`)."""

    def take_nowait(self, limit: int) -> Sequence[Incoming]: ...
    @property
    def waiting(self) -> int: ...


class Triggers:
    """See the module's docstring."""

    def __init__(self, source: PulledMessages, intake: Intake, metrics: Metrics) -> None:
        self._source = source
        self._intake = intake
        self._metrics = metrics
        self._queue = FairQueue[RunMessages]()
        self.deferred = 0
        """The number of triggers deferred so far."""

    @property
    def waiting(self) -> int:
        return len(self._queue) + self._source.waiting

    def put(self, pending: Sequence[tuple[str, UUID]]) -> None:
        """Pending runs that the sweep claimed, with their tenants."""
        for tenant, run in pending:
            self._queue.put(tenant, RunMessages(run, has_waiting_rows=True))
        self._defer_excess()

    def take(self, limit: int) -> list[RunMessages]:
        """At most `limit` runs, round-robin over tenants."""
        return self._taken(lambda: self._queue.take(limit))

    def take_few(self, limit: int, usage: Usage) -> list[RunMessages]:
        """At most `limit` runs of tenants of which few wait and who have used little lately."""
        return self._taken(
            lambda: self._queue.take_of(
                limit, lambda tenant, waiting: waiting <= FEW and usage.is_little(tenant)
            )
        )

    def _taken(self, take: Callable[[], list[RunMessages]]) -> list[RunMessages]:
        new = self._intake.read(self._source.take_nowait(READ_AHEAD))
        for messages in new:
            self._queue.put("" if messages.trigger is None else messages.trigger.tenant, messages)
        taken = take()
        if len(self._queue):
            at_once = {id(messages) for messages in taken}
            for messages in new:
                if id(messages) not in at_once:
                    _wait(messages)
            self._defer_excess()
        return taken

    def _defer_excess(self) -> None:
        before = self.deferred
        while len(self._queue) > QUEUE_MAX:
            self._queue.drop()
            self.deferred += 1
        if self.deferred > before:
            self._metrics.triggers_deferred.inc(self.deferred - before)


def _wait(messages: RunMessages) -> None:
    """Acknowledge a queued trigger, and drop a long input."""
    for receipt in messages.receipts:
        receipt.ack()
    messages.receipts = []
    if messages.trigger is not None and _is_long(messages.trigger.input.inline):
        messages.trigger, messages.has_waiting_rows = None, True


def _is_long(inline: msgspec.Raw | msgspec.UnsetType) -> bool:
    return inline is not msgspec.UNSET and len(bytes(inline)) > _INPUT_MAX
