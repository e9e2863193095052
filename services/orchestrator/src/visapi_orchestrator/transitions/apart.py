"""Runs that wait to be advanced apart from others, because they take long. Tenants take turns."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from visapi_common.core.shares import Share
from visapi_orchestrator.kernel.receipts import acknowledge, hand_back
from visapi_orchestrator.kernel.rules.fair_queue import TurnQueue
from visapi_orchestrator.kernel.rules.messages import Said

WAITING_MAX: Final = 1024
AT_ONCE: Final = 4
"""Runs of one batch: others' statements do not wait long for its transaction."""
_LATER_S: Final = 5.0


class Apart:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._queue = TurnQueue[tuple[str, Said]]()
        self._share = Share(WAITING_MAX, least=1)
        self._waiting: dict[UUID, Said] = {}

    def __contains__(self, run: UUID) -> bool:
        return run in self._waiting

    def waiting(self) -> list[Said]:
        return list(self._waiting.values())

    def put(self, runs: Sequence[tuple[str, Said]]) -> None:
        """Let runs wait. A tenant that has its share of the room has the others handed back."""
        for tenant, said in runs:
            if not self._share.take(tenant):
                hand_back([said], delay_s=_LATER_S)
                continue
            if said.trigger is not None and not said.results:
                # The run stands in the ledger as pending: should this process die, the sweep finds it.
                acknowledge([said])
                said.receipts = []
            self._waiting[said.run] = said
            self._queue.put(tenant, (tenant, said))
        self.wake.set()

    def take(self) -> list[Said]:
        """The next few, one of each tenant in turn."""
        taken = self._queue.take(AT_ONCE)
        for tenant, said in taken:
            self._share.give_back(tenant)
            del self._waiting[said.run]
        return [said for _, said in taken]
