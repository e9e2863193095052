"""Triggers, taken in turn among tenants. Pure of I/O but for acknowledging.

The stream gives triggers in the order in which they were committed, so a tenant that starts much at once
stands before everybody who comes later. Therefore all of them are read ahead into a queue per tenant. What
is too much for a queue is let go: its run stands in the ledger as pending, where the sweep finds it when
there is room again, tenant by tenant (`claim_runs`).
"""

from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.app.intake import Incoming, Intake
from visapi_orchestrator.core.said import Said
from visapi_orchestrator.core.turns import TurnQueue

READ_AHEAD: Final = 2048
TENANT_MAX: Final = 1024
TOTAL_MAX: Final = 4096
"""Few enough that the last of them is taken within the acknowledgement wait."""


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
        self._queue = TurnQueue[Said]()
        self.let_go = 0
        """How many were left to the ledger so far."""

    @property
    def waiting(self) -> int:
        return len(self._queue) + self._source.waiting

    def put(self, pending: Sequence[tuple[str, UUID]]) -> None:
        """Pending runs that the sweep claimed, with their tenants."""
        for tenant, run in pending:
            self._queue.put(tenant, Said(run, look=True))

    def take(self, limit: int) -> list[Said]:
        """At most so many, one of each tenant in turn."""
        self._read_ahead()
        return self._queue.take(limit)

    def hand_back(self) -> None:
        """What nobody took goes back to the server at once."""
        for said in self._queue.take(len(self._queue)):
            for receipt in said.receipts:
                receipt.nak()

    def _read_ahead(self) -> None:
        before = self.let_go
        for said in self._intake.read(self._source.take_nowait(READ_AHEAD)):
            tenant = "" if said.trigger is None else said.trigger.tenant
            if self._queue.of(tenant) < TENANT_MAX and len(self._queue) < TOTAL_MAX:
                self._queue.put(tenant, said)
                continue
            self.let_go += 1
            for receipt in said.receipts:
                receipt.ack()
        if self.let_go > before:
            self._metrics.triggers_let_go.inc(self.let_go - before)
