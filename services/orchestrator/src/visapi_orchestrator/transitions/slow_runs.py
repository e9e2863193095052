"""Slow runs wait here for a lane of their own. Tenants are served round-robin."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from visapi_common.core.shares import Share
from visapi_orchestrator.kernel.receipts import acknowledge, hand_back
from visapi_orchestrator.kernel.rules.fair_queue import FairQueue
from visapi_orchestrator.kernel.rules.messages import RunMessages

WAITING_MAX: Final = 1024
AT_ONCE: Final = 4
"""Runs of one batch: a small batch keeps its transaction short."""
_LATER_S: Final = 5.0


class SlowRuns:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._queue = FairQueue[tuple[str, RunMessages]]()
        self._share = Share(WAITING_MAX, least=1)
        self._waiting: dict[UUID, RunMessages] = {}

    def __contains__(self, run: UUID) -> bool:
        return run in self._waiting

    def waiting(self) -> list[RunMessages]:
        return list(self._waiting.values())

    def put(self, runs: Sequence[tuple[str, RunMessages]]) -> None:
        """Queue runs. Runs beyond their tenant's share of the room are handed back."""
        for tenant, messages in runs:
            if not self._share.take(tenant):
                hand_back([messages], delay_s=_LATER_S)
                continue
            if messages.trigger is not None and not messages.results:
                # The run stands in the ledger as pending: should this process die, the sweep finds it.
                acknowledge([messages])
                messages.receipts = []
            self._waiting[messages.run] = messages
            self._queue.put(tenant, (tenant, messages))
        self.wake.set()

    def take(self) -> list[RunMessages]:
        """The next runs, round-robin over tenants."""
        taken = self._queue.take(AT_ONCE)
        for tenant, messages in taken:
            self._share.give_back(tenant)
            del self._waiting[messages.run]
        return [messages for _, messages in taken]
