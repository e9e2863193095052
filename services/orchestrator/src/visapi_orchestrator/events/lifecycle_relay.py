"""Publishes history as the specification's lifecycle events.

History is the truth. One batch reads the rows committed since the last batch, publishes them in order,
notifies listening workflows, and only then moves the mark, in one transaction. A crash loses no event; some
events are published twice under the same id. One replica holds the lease at a time.

Runs come first: a batch is bounded, and after it the relay rests at least as long as it worked.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import BatchOutcome, Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.events.rules.lifecycle import (
    EventOrigin,
    HistoryRow,
    LifecycleEvent,
    events_of,
    first_time_of,
)
from visapi_orchestrator.kernel.database_clock import DatabaseClock
from visapi_orchestrator.kernel.ports import RunQueue
from visapi_orchestrator.kernel.rules.messages import RunMessages

Which = Literal["all", "workflow", "none"]

LIMIT = 512
_REST_S = 0.05
_REST_MAX_S = 2.0
_SOON_S = 0.1
"""The relay sees a row once every older transaction has ended, which is shortly after the hint."""
_EVERY_S = 1.0
_SKIP_EVERY_S = 30.0
_KNOWN_MAX = 20_000


class RelayLease(Protocol):
    """The operations of the replica that holds the lease."""

    async def read(self, limit: int, *, tasks: bool) -> tuple[Sequence[HistoryRow], bool]:
        """Rows after the mark, whole transactions, in order; whether there are more."""
        ...

    async def origins(self, rows: Sequence[HistoryRow]) -> dict[UUID, EventOrigin]: ...
    async def notify(self, events: Sequence[LifecycleEvent]) -> list[UUID]:
        """Notify listeners; return the notified runs."""
        ...

    async def move_on(self) -> None:
        """Move the mark behind the rows that were read."""
        ...

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool: ...


class History(Protocol):
    def lease(self) -> AbstractAsyncContextManager[RelayLease | None]:
        """One transaction; None while another replica holds the lease. Raises `Fault`."""
        ...

    async def skip(self) -> None:
        """Lifecycle events are off: move the mark past unpublished rows."""
        ...


class LifecycleStream(Protocol):
    async def publish(self, events: Sequence[LifecycleEvent], *, singly: bool) -> None:
        """Returns when JetStream has stored all of them, in order. Raises `Fault`; `singly` is slower and
        needs nothing but acknowledgements.
        """
        ...


class LifecycleRelay:
    """See the module's docstring."""

    def __init__(  # noqa: PLR0913 (the wiring hands over each part once)
        self,
        history: History,
        stream: LifecycleStream,
        queue: RunQueue,
        clock: DatabaseClock,
        metrics: Metrics,
        *,
        quarantine: Quarantine,
        which: Which,
    ) -> None:
        self._history = history
        self._stream = stream
        self._queue = queue
        self._clock = clock
        self._metrics = metrics
        self._quarantine = quarantine
        self._isolation = Isolation("lifecycle", metrics)
        self._which: Which = which
        self._news = asyncio.Event()
        self._known: dict[UUID, EventOrigin] = {}
        self._singly = False

    def hint(self) -> None:
        """History was committed."""
        self._news.set()

    async def run(self) -> None:
        """Relay until cancelled."""
        while True:
            if self._which == "none":
                await self._skip()
                await asyncio.sleep(_SKIP_EVERY_S)
            else:
                await self._relay_once()

    async def _skip(self) -> None:
        try:
            await self._history.skip()
        except Fault as fault:
            self._isolation.note(fault)

    async def _relay_once(self) -> None:
        loop = asyncio.get_running_loop()
        hinted = self._news.is_set()
        self._news.clear()
        began = loop.time()
        more = False
        try:
            more = await self._relay_batch()
            self._singly = False
        except Fault as fault:
            self._singly = True
            self._isolation.note(fault)
        await asyncio.sleep(min(_REST_MAX_S, max(_REST_S, loop.time() - began)))
        if not more:
            await self._wait(_SOON_S if hinted else _EVERY_S)

    async def _wait(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._news.wait()
        except TimeoutError:
            return

    async def _relay_batch(self) -> bool:
        """Whether more rows wait."""
        tasks = self._which == "all"
        runs: list[UUID] = []
        async with self._history.lease() as lease:
            if lease is None:
                self._metrics.lifecycle_lag_seconds.set(0)
                return False
            rows, more = await lease.read(LIMIT, tasks=tasks)
            if rows:
                events = await self._understood(lease, rows, tasks=tasks)
                published = await self._published(lease, events)
                runs = await self._notified(lease, [one for one in published if not one.origin.by_event])
                self._count(published)
            await lease.move_on()
        self._queue.put([RunMessages(run, has_waiting_rows=True) for run in runs])
        if not more:
            self._metrics.lifecycle_lag_seconds.set(0)
        return more

    async def _understood(
        self, lease: RelayLease, rows: Sequence[HistoryRow], *, tasks: bool
    ) -> list[LifecycleEvent]:
        origins = await self._origins(lease, rows)
        events: list[LifecycleEvent] = []

        async def understand(some: Sequence[HistoryRow]) -> None:
            found = events_of(some, origins, tasks=tasks)
            if not events:
                self._note_lag(some)
            events.extend(found)

        async def set_aside(row: HistoryRow, error: Exception) -> None:
            dead_letter = _dead_letter(row.tenant, row.run, "history", row.items, error)
            await self._quarantine.set_aside(dead_letter, lease.set_aside)

        _raise(await self._isolation.each(rows, understand, set_aside))
        return events

    async def _published(self, lease: RelayLease, events: Sequence[LifecycleEvent]) -> list[LifecycleEvent]:
        async def publish(some: Sequence[LifecycleEvent]) -> None:
            # Some events of a failed batch may be stored already, so the chain of a second try would be
            # refused.
            singly = self._singly or len(some) < len(events)
            await self._stream.publish(some, singly=singly)

        result = await self._isolation.each(events, publish, self._setting_aside(lease))
        _raise(result)
        return result.done

    async def _notified(self, lease: RelayLease, events: Sequence[LifecycleEvent]) -> list[UUID]:
        runs: list[UUID] = []

        async def notify(some: Sequence[LifecycleEvent]) -> None:
            runs.extend(await lease.notify(some))

        _raise(await self._isolation.each(events, notify, self._setting_aside(lease)))
        return list(dict.fromkeys(runs))

    def _setting_aside(self, lease: RelayLease) -> Callable[[LifecycleEvent, Exception], Awaitable[None]]:
        async def set_aside(one: LifecycleEvent, error: Exception) -> None:
            dead_letter = _dead_letter(one.event.tenant, one.run, one.event.id, one.event.body, error)
            await self._quarantine.set_aside(dead_letter, lease.set_aside)

        return set_aside

    async def _origins(self, lease: RelayLease, rows: Sequence[HistoryRow]) -> dict[UUID, EventOrigin]:
        """A run is looked up once and remembered while it is recent."""
        unknown = [row for row in rows if row.run not in self._known]
        if unknown:
            if len(self._known) > _KNOWN_MAX:
                self._known.clear()
            found = await lease.origins(rows if not self._known else unknown)
            self._known.update(found)
        return self._known

    def _note_lag(self, rows: Sequence[HistoryRow]) -> None:
        first = first_time_of(rows[0]) if rows else None
        if first is not None:
            lag_s = self._clock.now_ms() / 1000 - datetime.fromisoformat(first).timestamp()
            self._metrics.lifecycle_lag_seconds.set(max(0.0, lag_s))

    def _count(self, events: Sequence[LifecycleEvent]) -> None:
        for of, count in Counter(event.of for event in events).items():
            self._metrics.lifecycle_events.labels(of).inc(count)


def _raise(result: BatchOutcome[Any]) -> None:
    """No row is skipped: a fault leaves the whole batch for later."""
    if result.fault is not None:
        raise result.fault


def _dead_letter(tenant: str, run: UUID, item: str, body: bytes, error: Exception) -> DeadLetterEntry:
    return DeadLetterEntry(
        kind="lifecycle",
        tenant=tenant,
        reason="untellable-lifecycle",
        detail=failure_text(error),
        item=(item,),
        body=body,
        run=run,
    )
