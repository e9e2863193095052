"""Runs whose contents make every batch fail: each run is faulted, or set aside."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.receipts import hand_back
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.dependencies import TransitionDependencies

_LATER_S = 60.0


class _Broken(NamedTuple):
    messages: RunMessages
    error: Exception


class BrokenRuns:
    """`end` faults a run with the error as the reason, and raises what prevents that."""

    def __init__(
        self, dependencies: TransitionDependencies, end: Callable[[RunMessages, Exception], Awaitable[None]]
    ) -> None:
        self._ledger = dependencies.ledger
        self._set_aside = dependencies.set_aside
        self._end = end
        self._isolation = Isolation("transitions", dependencies.metrics)

    def note(self, fault: Exception) -> None:
        """Report a failure that no run caused."""
        self._isolation.note(fault)

    async def settle(self, messages: RunMessages, error: Exception) -> bool:
        """False where PostgreSQL or the engine failed: the run is handed back unchanged."""
        result = await self._isolation.each([_Broken(messages, error)], self._end_all, self._give_up)
        hand_back([one.messages for one in result.left])
        return result.fault is None

    async def _end_all(self, broken: Sequence[_Broken]) -> None:
        for one in broken:
            await self._end(one.messages, one.error)

    async def _give_up(self, broken: _Broken, error: Exception) -> None:
        """The run cannot be faulted either. It stays unchanged until its dead letter is replayed."""
        messages, first = broken
        detail = f"{failure_text(first)}; it cannot be ended either: {failure_text(error)}"
        tenant = (
            messages.trigger.tenant
            if messages.trigger is not None
            else await self._ledger.tenant_of(messages.run)
        )
        dead_letter = DeadLetterEntry(
            kind="run", tenant=tenant, reason="broken-run", detail=detail, run=messages.run
        )
        await self._set_aside(dead_letter)
        hand_back([messages], delay_s=_LATER_S)
