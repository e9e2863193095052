"""The pump as others see it, and its lanes: batches that are kept as long as a test wants."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from kit.fakes.clocks import FakeClock
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.kernel.rules.usage import Usage
from visapi_orchestrator.transitions.slow_runs import SlowRuns


class FakeLanes:
    """See `batches.pump.Advancer`; a closed lane keeps each batch until the test lets it go."""

    def __init__(self) -> None:
        self.slow_runs = SlowRuns()
        self.usage = Usage(FakeClock().monotonic)
        self.batches: list[list[RunMessages]] = []
        self.apart: list[bool] = []
        self.frees: list[Callable[[Sequence[RunMessages]], None]] = []
        self.well = True
        self.closed = False
        self._gates: list[asyncio.Event] = []

    async def advance(
        self, batch: list[RunMessages], free: Callable[[Sequence[RunMessages]], None], *, apart: bool = False
    ) -> bool:
        self.batches.append(batch)
        self.apart.append(apart)
        self.frees.append(free)
        gate = asyncio.Event()
        self._gates.append(gate)
        if self.closed:
            await gate.wait()
        return self.well

    def let_go(self, number: int) -> None:
        self._gates[number].set()

    def runs(self, number: int) -> list[UUID]:
        return [messages.run for messages in self.batches[number]]


class FakeQueue:
    """See `kernel.ports.RunQueue`, `timing.due_work.DueQueue`; a test sets the counts."""

    def __init__(self) -> None:
        self.taken: list[RunMessages] = []
        self.pending: list[tuple[str, UUID]] = []
        self.started = self.starting = self.deferred = 0

    def put(self, messages: Sequence[RunMessages]) -> None:
        self.taken += messages

    def put_pending(self, runs: list[tuple[str, UUID]]) -> None:
        self.pending += runs
