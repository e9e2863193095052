"""Brings overdue rows into batches, straight from PostgreSQL (DESIGN 3.2).

Timers are looked at when the next one is due (a commit that sets an earlier one wakes this loop),
and at least once a second, because another orchestrator may have set one. Pending runs and inbox
rows are looked for once a second; while the pump has a backlog their messages are most likely in
it, so only those overdue for long are taken.
"""

import asyncio
from typing import Protocol

from visapi_common.core.errors import Fault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.app.database_clock import DatabaseClock
from visapi_orchestrator.app.ports import Due
from visapi_orchestrator.core.said import Said

LIMIT = 1000
_EVERY_S = 1.0
_LEAST_S = 0.002
_LONG_OVERDUE_S = 30.0


class NextDue(Protocol):
    @property
    def wait_s(self) -> float | None: ...
    @property
    def now_ms(self) -> int: ...


class DueRows(Due, Protocol):
    """`Due`, and when the next timer is due."""

    async def next_timer(self) -> NextDue: ...


class Queue(Protocol):
    """Where claimed rows go: the pump."""

    def put(self, said: list[Said]) -> None: ...
    @property
    def backlog(self) -> int: ...


class DueWork:
    """See the module's docstring."""

    def __init__(self, due: DueRows, queue: Queue, clock: DatabaseClock, metrics: Metrics) -> None:
        self._due = due
        self._queue = queue
        self._clock = clock
        self._metrics = metrics
        self._earliest_ms: float = float("inf")
        self._hint = asyncio.Event()
        self._log = get_logger("due")

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
                self._log.warning("timers_not_read", detail=str(fault))
            self._hint.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._hint.wait()
            except TimeoutError:
                continue

    async def _fire_once(self) -> float:
        """Claim what is due; seconds until the next look."""
        said = await self._due.claim_timers(LIMIT)
        if said:
            now_ms = self._clock.now_ms()
            for one in said:
                self._metrics.timer_lag_seconds.observe(max(0, now_ms - one.timers[0].fire_at_ms) / 1000)
            self._queue.put(said)
        coming = await self._due.next_timer()
        self._clock.heard(coming.now_ms)
        if coming.wait_s is None:
            self._earliest_ms = float("inf")
            return _EVERY_S
        self._earliest_ms = coming.now_ms + coming.wait_s * 1000
        return min(_EVERY_S, max(_LEAST_S, coming.wait_s))

    async def sweep(self) -> None:
        """Take overdue pending runs and inbox rows until cancelled."""
        while True:
            full = False
            try:
                full = await self._sweep_once()
            except Fault as fault:
                self._log.warning("sweep_failed", detail=str(fault))
            if not full:
                await asyncio.sleep(_EVERY_S)

    async def _sweep_once(self) -> bool:
        """Whether there was more than one sweep takes."""
        backlog = self._queue.backlog
        if backlog >= LIMIT:
            return False
        runs = await self._due.claim_runs(LIMIT, _LONG_OVERDUE_S if backlog else 0.0)
        told = await self._due.claim_inbox(LIMIT)
        self._metrics.sweeps.labels("run").inc(len(runs))
        self._metrics.sweeps.labels("inbox").inc(len(told))
        self._queue.put([Said(run, look=True) for run in (*runs, *set(told))])
        return len(runs) == LIMIT and self._queue.backlog < LIMIT
