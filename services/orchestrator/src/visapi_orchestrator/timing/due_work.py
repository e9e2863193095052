"""Brings overdue rows into batches, straight from PostgreSQL (docs/explanation/delivery-protocol.md).

Timers are looked at when the next one is due (a commit that sets an earlier one wakes this loop), and at
least once a second, because another orchestrator may have set one. No more are claimed than there is room
for, because a claim lasts for seconds only. Pending runs and inbox rows are looked for once a second; while
many runs wait in the pump to begin, the triggers of others are most likely among them, so only rows that are
long overdue are taken. Pending runs whose triggers the pump deferred are taken as soon as it has room.
"""

import asyncio
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.core.errors import Fault, PermanentFault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.database_clock import DatabaseClock
from visapi_orchestrator.kernel.ports import RunQueue
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.rules.ledger_answers import ClaimedInbox

LIMIT = 1000
_EVERY_S = 1.0
_LEAST_S = 0.002
_LONG_OVERDUE_S = 30.0
_LOOK_S = 0.02
_ROOM = 256
"""Rows are claimed while fewer than two batches wait in the pump."""
_FEW = 100
_FEWER = 10
_DUE_AFTER_S = 3.0
"""A pending run is overdue 2 s after its acceptance."""


class NextDue(Protocol):
    @property
    def wait_s(self) -> float | None: ...
    @property
    def now_ms(self) -> int: ...


class DueRows(Protocol):
    """Overdue rows. Each claim defers them, so that they come again if this process dies."""

    async def claim_timers(self, limit: int) -> list[RunMessages]: ...
    async def claim_runs(self, limit: int, overdue_s: float) -> list[tuple[str, UUID]]: ...
    async def claim_inbox(self, limit: int) -> ClaimedInbox: ...
    async def next_timer(self) -> NextDue: ...
    async def first_timer(self) -> DeadLetterEntry | None:
        """The due timer that is claimed first, as a dead letter without its detail."""
        ...


class DueQueue(RunQueue, Protocol):
    """`RunQueue`, its length, and pending runs."""

    def put_pending(self, runs: list[tuple[str, UUID]]) -> None: ...
    @property
    def started(self) -> int: ...
    @property
    def starting(self) -> int: ...
    @property
    def deferred(self) -> int: ...


class DueWork:
    """See the module's docstring."""

    def __init__(
        self, due: DueRows, queue: DueQueue, clock: DatabaseClock, quarantine: Quarantine, metrics: Metrics
    ) -> None:
        self._due = due
        self._quarantine = quarantine
        self._isolation = Isolation("due", metrics)
        self._queue = queue
        self._clock = clock
        self._metrics = metrics
        self._earliest_ms: float = float("inf")
        self._hint = asyncio.Event()
        self._more = False
        self._deferred: int = 0
        self._found_at = 0.0

    def timer_set(self, fire_at_ms: int) -> None:
        """A commit of this process set a timer."""
        if fire_at_ms < self._earliest_ms:
            self._earliest_ms = fire_at_ms
            self._hint.set()

    async def fire_timers(self) -> None:
        """Take due timers until cancelled."""
        while True:
            wait_s = _EVERY_S
            try:
                wait_s = await self._fire_once()
            except Fault as fault:
                self._isolation.note(fault)
            self._hint.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._hint.wait()
            except TimeoutError:
                continue

    async def _fire_once(self) -> float:
        """Claim due timers; return the seconds until the next look."""
        room = LIMIT - self._queue.started
        if room <= 0:
            return _LOOK_S
        messages = await self._claim_timers(room)
        if messages:
            now_ms = self._clock.now_ms()
            for one in messages:
                self._metrics.timer_lag_seconds.observe(max(0, now_ms - one.timers[0].fire_at_ms) / 1000)
            self._queue.put(messages)
        coming = await self._due.next_timer()
        self._clock.heard(coming.now_ms)
        if coming.wait_s is None:
            self._earliest_ms = float("inf")
            return _EVERY_S
        self._earliest_ms = coming.now_ms + coming.wait_s * 1000
        return min(_EVERY_S, max(_LEAST_S, coming.wait_s))

    async def _claim_timers(self, limit: int) -> list[RunMessages]:
        """Claim due timers. After a failure fewer are claimed; a timer that fails alone is set aside."""
        try:
            return await self._due.claim_timers(limit)
        except PermanentFault as refused:
            if limit > 1:
                return await self._claim_timers(max(1, limit // _FEWER))
            bad = await self._due.first_timer()
            if bad is not None:
                await self._quarantine.set_aside(msgspec.structs.replace(bad, detail=failure_text(refused)))
                self._metrics.quarantined.labels("due").inc()
            return []

    async def sweep(self) -> None:
        """Take overdue pending runs and inbox rows until cancelled."""
        while True:
            full = False
            try:
                full = await self._sweep_once()
            except Fault as fault:
                self._isolation.note(fault)
            if not full:
                await self._rest()

    @property
    def _leftovers(self) -> bool:
        return self._more or self._queue.deferred != self._deferred

    async def _rest(self) -> None:
        """Wait until the next sweep, or until the pump has room for rows left in the ledger."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _EVERY_S
        while loop.time() < until:
            await asyncio.sleep(_LOOK_S if self._leftovers else _EVERY_S)
            if self._leftovers and self._queue.starting < _ROOM:
                return

    async def _sweep_once(self) -> bool:
        """Sweep once; True where more rows may wait and the pump has room."""
        queue = self._queue
        notified: list[UUID] = []
        if queue.started < LIMIT:
            claimed = await self._due.claim_inbox(LIMIT)
            notified = claimed.runs
            queue.put([RunMessages(run, has_waiting_rows=True) for run in set(notified)])
            for dead_letter in claimed.unknown:
                await self._quarantine.set_aside(dead_letter)
                self._metrics.quarantined.labels("due").inc()
        all_due = queue.starting < _ROOM
        # Some runs of each tenant are looked for even when many wait here: its triggers may be lost.
        limit = LIMIT if queue.starting < LIMIT else _FEW
        runs = await self._due.claim_runs(limit, 0.0 if all_due else _LONG_OVERDUE_S)
        queue.put_pending(runs)
        self._metrics.sweeps.labels("run").inc(len(runs))
        self._metrics.sweeps.labels("inbox").inc(len(notified))
        if all_due:
            self._note(len(runs))
        return bool(runs) and queue.starting < _ROOM

    def _note(self, found: int) -> None:
        """Runs may wait in the ledger until none was found for longer than a run takes to become due."""
        now = asyncio.get_running_loop().time()
        if found or self._queue.deferred != self._deferred:
            self._deferred, self._found_at, self._more = self._queue.deferred, now, True
        elif now - self._found_at > _DUE_AFTER_S:
            self._more = False
