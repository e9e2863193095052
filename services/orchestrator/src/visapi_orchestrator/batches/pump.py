"""Forms batches of everything that waits, results first, and keeps the lanes busy.

A lane takes what is there, up to `batch_max`, and never waits for more: under load messages collect while the
lanes are busy, and at rest a batch has one message. A run is in one batch at a time; messages that arrive for
it meanwhile join its next batch. Results go before triggers, so that started runs end first; rows that a
sweep claimed go with the results. Triggers are taken round-robin over tenants. Slow runs have a lane of their
own, which serves tenants round-robin too.

A batch of a backlog takes a tenth of a second on two cores, and who comes meanwhile would wait for the end of
one and then pass through the next. So while more waits than one batch takes, one lane takes small batches
only: of tenants of which few runs wait and who have used little lately.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.batches.reading import Intake
from visapi_orchestrator.batches.triggers import PulledMessages, Triggers
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.kernel.rules.usage import Usage
from visapi_orchestrator.transitions.slow_runs import SlowRuns

_PAUSE_FIRST_S = 0.1
_PAUSE_MAX_S = 2.0
_FOR_TRIGGERS = 16
"""A sixteenth of each batch is for triggers."""
_SMALL = 16
"""Runs in a batch of the lane for tenants without a backlog."""
_SMALL_EVERY_S = 0.005
"""How often that lane looks at most: while others have a backlog, messages arrive all the time."""


class AnnouncedMessages(PulledMessages, Protocol):
    """`PulledMessages` that set an event when one arrives."""

    def on_arrival(self, wake: "asyncio.Event") -> None: ...


class Advancer(Protocol):
    """`Transitions`, as far as lanes are concerned; `slow_runs` holds the runs that they put off, `usage`
    says whose runs they have advanced.
    """

    slow_runs: SlowRuns
    usage: Usage

    async def advance(
        self, batch: list[RunMessages], free: Callable[[Sequence[RunMessages]], None], *, apart: bool = False
    ) -> bool: ...


class Pump:
    """See the module's docstring."""

    def __init__(
        self,
        *,
        results: AnnouncedMessages,
        triggers: AnnouncedMessages,
        intake: Intake,
        transitions: Advancer,
        metrics: Metrics,
        batch_max: int,
    ) -> None:
        self._results = results
        self._triggers = Triggers(triggers, intake, metrics)
        self._intake = intake
        self._transitions = transitions
        self._metrics = metrics
        self._batch_max = batch_max
        self._wake = asyncio.Event()
        self._claimed: OrderedDict[UUID, RunMessages] = OrderedDict()
        self._busy: set[UUID] = set()
        self._aside: dict[UUID, RunMessages] = {}
        self._slow_runs = transitions.slow_runs
        self._usage = transitions.usage
        self._stopped = False
        self._log = get_logger("pump")
        results.on_arrival(self._wake)
        triggers.on_arrival(self._wake)

    def put(self, messages: Sequence[RunMessages]) -> None:
        """Rows claimed from PostgreSQL, for the next batch. Rows of a run that waits already join it."""
        for one in messages:
            known = self._claimed.setdefault(one.run, one)
            if known is not one:
                known.absorb(one)
        if messages:
            self._wake.set()

    def put_pending(self, runs: Sequence[tuple[str, UUID]]) -> None:
        """Pending runs claimed from PostgreSQL, with their tenants."""
        self._triggers.put(runs)
        if runs:
            self._wake.set()

    @property
    def deferred(self) -> int:
        """The number of pending runs left to the ledger so far, to be claimed again."""
        return self._triggers.deferred

    @property
    def backlog(self) -> int:
        """The number of messages that wait for a lane."""
        return self.started + self.starting

    @property
    def started(self) -> int:
        """The part of the backlog that belongs to started runs."""
        return self._results.waiting + len(self._claimed)

    @property
    def starting(self) -> int:
        """How many runs wait to begin."""
        return self._triggers.waiting

    def stop(self) -> None:
        """Stop the lanes once their current batches are done."""
        self._stopped = True
        self._wake.set()
        self._slow_runs.wake.set()

    def hand_back(self) -> None:
        """Return the messages that no lane took to NATS. Called after the lanes have ended."""
        for messages in (*self._claimed.values(), *self._aside.values(), *self._slow_runs.waiting()):
            for receipt in messages.receipts:
                receipt.nak()
        self._claimed.clear()
        self._aside.clear()

    def lanes(self, number: int) -> list[Callable[[], Awaitable[None]]]:
        """`number` loops that advance batch after batch until stopped, one for tenants without a backlog, and
        one for slow runs.
        """
        usual = partial(self._run, self._next_batch, apart=False)
        small = partial(self._run, self._next_small, apart=False)
        return [*[usual] * number, small, partial(self._run, self._next_apart, apart=True)]

    async def _run(self, following: Callable[[], Awaitable[list[RunMessages]]], *, apart: bool) -> None:
        pause_s = _PAUSE_FIRST_S
        while True:
            batch = await following()
            if not batch:
                return
            self._metrics.engine_batch_messages.observe(sum(messages.count for messages in batch))
            busy = {messages.run: messages for messages in batch}
            try:
                with self._metrics.transition_seconds.time():
                    well = await self._transitions.advance(batch, partial(self._free, busy), apart=apart)
            finally:
                self._release(list(busy.values()))
            if well:
                pause_s = _PAUSE_FIRST_S
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(_PAUSE_MAX_S, pause_s * 2)

    async def _next_batch(self) -> list[RunMessages]:
        while not self._stopped:
            self._wake.clear()
            batch = self._gather()
            if batch:
                if self.backlog:
                    # More waits than one batch takes: wake another lane.
                    self._wake.set()
                return batch
            await self._wake.wait()
        return []

    async def _next_small(self) -> list[RunMessages]:
        while not self._stopped:
            self._wake.clear()
            batch = self._gather_small()
            if batch:
                return batch
            await asyncio.sleep(_SMALL_EVERY_S)
            await self._wake.wait()
        return []

    async def _next_apart(self) -> list[RunMessages]:
        while not self._stopped:
            self._slow_runs.wake.clear()
            batch = self._slow_runs.take()
            if batch:
                return batch
            await self._slow_runs.wake.wait()
        return []

    def _gather(self) -> list[RunMessages]:
        # Started work goes first but never takes the whole batch: the first run of a tenant does not wait
        # until all runs of another have ended.
        kept = min(self._triggers.waiting, self._batch_max // _FOR_TRIGGERS)
        room = self._batch_max - kept
        taken: dict[UUID, RunMessages] = {}
        room -= self._join(self._intake.read(self._results.take_nowait(room)), taken)
        claimed = [self._claimed.popitem(last=False)[1] for _ in range(min(max(room, 1), len(self._claimed)))]
        room -= self._join(claimed, taken)
        if room + kept > 0:
            self._join(self._triggers.take(room + kept), taken)
        self._busy.update(taken)
        return list(taken.values())

    def _gather_small(self) -> list[RunMessages]:
        taken: dict[UUID, RunMessages] = {}
        if self.backlog > self._batch_max:
            self._join(self._triggers.take_few(_SMALL, self._usage), taken)
        self._busy.update(taken)
        return list(taken.values())

    def _join(self, messages: Sequence[RunMessages], taken: dict[UUID, RunMessages]) -> int:
        """Add to the batch, or set aside while another lane has the run."""
        for one in messages:
            run = one.run
            home = self._aside if run in self._busy else taken
            known = home.get(run)
            if known is None:
                home[run] = one
            else:
                known.absorb(one)
        return len(messages)

    def _free(self, busy: dict[UUID, RunMessages], settled: Sequence[RunMessages]) -> None:
        """Release runs that are settled before their batch: new messages for them need not wait."""
        self._release([busy.pop(messages.run) for messages in settled if messages.run in busy])

    def _release(self, batch: Sequence[RunMessages]) -> None:
        # A run that waits for the lane of slow runs stays busy until it was advanced.
        batch = [messages for messages in batch if messages.run not in self._slow_runs]
        freed = [self._aside.pop(messages.run) for messages in batch if messages.run in self._aside]
        self._busy.difference_update(messages.run for messages in batch)
        if freed:
            for one in freed:
                later = self._claimed.pop(one.run, None)
                if later is not None:
                    one.absorb(later)
                self._claimed[one.run] = one
                self._claimed.move_to_end(one.run, last=False)
            self._wake.set()
