"""Triggers, taken in turn among tenants. Pure of I/O but for acknowledging.

The stream gives triggers in the order in which they were committed, so a tenant that starts much at once
stands before everybody who comes later. Therefore all of them are read ahead into a queue per tenant. What
waits there is acknowledged: its run stands in the ledger as pending, and the sweep finds it should this
process die. What is too much for the queue is let go, of the tenant that has most in it: the sweep finds it
when there is room again, tenant by tenant (`claim_runs`).
"""

from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

import msgspec

from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.batches.reading import Incoming, Intake
from visapi_orchestrator.kernel.rules.fair_queue import FairQueue
from visapi_orchestrator.kernel.rules.messages import RunMessages

READ_AHEAD: Final = 2048
QUEUE_MAX: Final = 2048
_INPUT_MAX: Final = 4096
"""Of a run with a longer input only the id waits here; the rest is read again."""


class Source(Protocol):
    """A continuous pull (`adapters.pull_loop`)."""

    def take_nowait(self, limit: int) -> Sequence[Incoming]: ...
    @property
    def waiting(self) -> int: ...


class Triggers:
    """See the module's docstring."""

    def __init__(self, source: Source, intake: Intake, metrics: Metrics) -> None:
        self._source = source
        self._intake = intake
        self._metrics = metrics
        self._queue = FairQueue[RunMessages]()
        self.dropped = 0
        """How many were left to the ledger so far."""

    @property
    def waiting(self) -> int:
        return len(self._queue) + self._source.waiting

    def put(self, pending: Sequence[tuple[str, UUID]]) -> None:
        """Pending runs that the sweep claimed, with their tenants."""
        for tenant, run in pending:
            self._queue.put(tenant, RunMessages(run, look=True))
        self._drop_excess()

    def take(self, limit: int) -> list[RunMessages]:
        """At most so many, one of each tenant in turn."""
        new = self._intake.read(self._source.take_nowait(READ_AHEAD))
        for messages in new:
            self._queue.put("" if messages.trigger is None else messages.trigger.tenant, messages)
        taken = self._queue.take(limit)
        if len(self._queue):
            at_once = {id(messages) for messages in taken}
            for messages in new:
                if id(messages) not in at_once:
                    _wait(messages)
            self._drop_excess()
        return taken

    def _drop_excess(self) -> None:
        before = self.dropped
        while len(self._queue) > QUEUE_MAX:
            self._queue.drop()
            self.dropped += 1
        if self.dropped > before:
            self._metrics.triggers_let_go.inc(self.dropped - before)


def _wait(messages: RunMessages) -> None:
    """What waits is not delivered again, and takes little room."""
    for receipt in messages.receipts:
        receipt.ack()
    messages.receipts = []
    if messages.trigger is not None and _is_long(messages.trigger.input.inline):
        messages.trigger, messages.look = None, True


def _is_long(inline: msgspec.Raw | msgspec.UnsetType) -> bool:
    return inline is not msgspec.UNSET and len(bytes(inline)) > _INPUT_MAX
