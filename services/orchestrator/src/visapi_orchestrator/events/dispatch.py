"""Delivers events to listening runs, and publishes the events that workflows emit.

Every event is stored as a row first, whichever way it came, and each row is matched once. Commits of this
process and hints wake the loops, which also look once a second, because hints may be lost.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol
from uuid import UUID

from visapi_common.contracts import subjects
from visapi_common.core.cloudevents import STRUCTURED, subject_of
from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_kind, failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.ports import RunQueue
from visapi_orchestrator.kernel.rules.arriving_events import ArrivedEvent
from visapi_orchestrator.kernel.rules.messages import RunMessages

LIMIT = 256
BYTES_MAX = 1024 * 1024
"""The most bytes of events that are matched together, because they are read in the event loop."""
_EVERY_S = 1.0
_SOON_S = 0.05
"""A deployment ends within milliseconds."""


class MatchLease(Protocol):
    """Waiting events that this process alone matches, until its transaction ends."""

    @property
    def events(self) -> Sequence[ArrivedEvent]: ...
    @property
    def claimed(self) -> int:
        """The number of claimed events, including those of `deploying`."""
        ...

    @property
    def deploying(self) -> Collection[str]:
        """Tenants whose events wait: a deployment is replacing the listener of a schedule."""
        ...

    async def notify(self, events: Sequence[ArrivedEvent]) -> list[UUID]:
        """Notify listeners and mark the events, all or nothing; return the notified runs."""
        ...

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool: ...


class EventRows(Protocol):
    def matching(
        self, limit: int, bytes_max: int, without: Collection[str]
    ) -> AbstractAsyncContextManager[MatchLease]:
        """`without`: tenants whose events are not claimed."""
        ...

    async def unpublished(self, limit: int, skip: int) -> list[ArrivedEvent]:
        """In the order of their arrival, without the first `skip`."""
        ...

    async def published(self, events: Sequence[ArrivedEvent]) -> None: ...


class Acknowledged(Protocol):
    async def publish_event(self, subject: str, body: bytes, *, message_id: str, kind: str) -> None:
        """Publish to JetStream and wait until it is stored. Raises `Fault`."""
        ...


class EventDispatch:
    """See the module's docstring."""

    def __init__(
        self,
        rows: EventRows,
        queue: RunQueue,
        publisher: Acknowledged,
        quarantine: Quarantine,
        metrics: Metrics,
    ) -> None:
        self._rows = rows
        self._queue = queue
        self._publisher = publisher
        self._quarantine = quarantine
        self._matching = Isolation("match-events", metrics)
        self._publishing = Isolation("publish-events", metrics)
        self._passed_over: frozenset[str] = frozenset()
        self._skip = 0
        self._arrived = asyncio.Event()
        self._emitted = asyncio.Event()

    def hint(self) -> None:
        """Events wait to be matched."""
        self._arrived.set()

    def emitted(self) -> None:
        """A commit of this process has inserted events."""
        self._arrived.set()
        self._emitted.set()

    async def keep_matching(self) -> None:
        """Match until cancelled."""
        loop = asyncio.get_running_loop()
        again_at = loop.time() + _SOON_S
        while True:
            self._arrived.clear()
            full = False
            try:
                full = await self._match_once()
            except Fault as fault:
                self._matching.note(fault)
            if not full:
                await _wait(self._arrived, _SOON_S if self._passed_over else _EVERY_S)
            if not full or loop.time() >= again_at:
                self._passed_over = frozenset()
                again_at = loop.time() + _SOON_S

    async def _match_once(self) -> bool:
        """Match once. Returns whether rows are left. Events of a tenant whose deployment is under way are
        passed over until the next round.
        """
        notified: list[UUID] = []
        async with self._rows.matching(LIMIT, BYTES_MAX, self._passed_over) as lease:
            self._passed_over |= frozenset(lease.deploying)
            size = sum(len(event.body) for event in lease.events)
            full = bool(lease.deploying) or lease.claimed == LIMIT or size >= BYTES_MAX

            async def notify(events: Sequence[ArrivedEvent]) -> None:
                notified.extend(await lease.notify(events))

            async def set_aside(event: ArrivedEvent, error: Exception) -> None:
                dead_letter = _dead_letter("event", "unmatchable-event", event, error)
                await self._quarantine.set_aside(dead_letter, lease.set_aside)

            result = await self._matching.each(lease.events, notify, set_aside)
        self._queue.put([RunMessages(run, has_waiting_rows=True) for run in dict.fromkeys(notified)])
        return full and result.fault is None

    async def keep_publishing(self) -> None:
        """Publish until cancelled."""
        while True:
            self._emitted.clear()
            full = False
            try:
                full = await self._publish_once()
            except Fault as fault:
                self._publishing.note(fault)
            if not full:
                await _wait(self._emitted, _EVERY_S)

    async def _publish_once(self) -> bool:
        """Publish once. Returns whether rows are left. Rows that fail for now are skipped until the next full
        round.
        """
        events = await self._rows.unpublished(LIMIT, self._skip)
        failed: dict[str, Exception] = {}
        stored: list[ArrivedEvent] = []
        waiting: list[ArrivedEvent] = []
        for event, error in zip(events, await asyncio.gather(*map(self._publish, events)), strict=True):
            if error is None:
                stored.append(event)
            else:
                failed.setdefault(failure_kind(error), error)
                if failure_kind(error) == "contents":
                    await self._give_up(event, error)
                else:
                    waiting.append(event)
        if stored:
            await self._rows.published(stored)
        for sort, error in failed.items():
            if sort != "contents":
                self._publishing.note(error)
        full = len(events) == LIMIT
        self._skip = self._skip + len(waiting) if full else 0
        return full and len(waiting) < LIMIT

    async def _publish(self, event: ArrivedEvent) -> Exception | None:
        """Why JetStream did not store it; None when it did."""
        try:
            subject = subjects.event(event.tenant, subject_of(event.type))
            await self._publisher.publish_event(
                subject, event.body, message_id=event.inbox_key, kind=STRUCTURED
            )
        except Exception as error:  # noqa: BLE001 (whatever an event provokes is sorted by one rule)
            return error
        return None

    async def _give_up(self, event: ArrivedEvent, error: Exception) -> None:
        async def fail(_: Sequence[ArrivedEvent]) -> None:
            raise error

        async def set_aside(event: ArrivedEvent, error: Exception) -> None:
            await self._quarantine.set_aside(_dead_letter("emit", "unpublishable-event", event, error))

        await self._publishing.each([event], fail, set_aside)


def _dead_letter(
    kind: Literal["event", "emit"], reason: str, event: ArrivedEvent, error: Exception
) -> DeadLetterEntry:
    return DeadLetterEntry(
        kind=kind,
        tenant=event.tenant,
        reason=reason,
        detail=failure_text(error),
        item=(event.source, event.id, event.type),
        body=event.body,
    )


async def _wait(wake: asyncio.Event, at_most_s: float) -> None:
    try:
        async with asyncio.timeout(at_most_s):
            await wake.wait()
    except TimeoutError:
        return
