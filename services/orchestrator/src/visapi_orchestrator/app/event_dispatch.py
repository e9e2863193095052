"""Brings events to those who listen, and what workflows emit to the world.

Every event is a row first, whichever way it came; a row is matched once. Woken by a commit of this
process and by hints; looks by itself once a second, because hints may be lost.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from visapi_common.contracts import subjects
from visapi_common.core.cloudevents import STRUCTURED, subject_of
from visapi_common.core.errors import Fault
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.core.arriving import Arrived
from visapi_orchestrator.core.said import Said

LIMIT = 256
_EVERY_S = 1.0


class EventRows(Protocol):
    async def match(self, limit: int) -> tuple[int, list[UUID]]: ...
    async def unpublished(self, limit: int) -> list[Arrived]: ...
    async def published(self, events: Sequence[Arrived]) -> None: ...


class Queue(Protocol):
    """Where told runs go: the pump."""

    def put(self, said: Sequence[Said]) -> None: ...


class Acknowledged(Protocol):
    async def publish_event(self, subject: str, body: bytes, *, message_id: str, kind: str) -> None:
        """Publish to JetStream and wait until it is stored. Raises `Fault`."""
        ...


class EventDispatch:
    """See the module's docstring."""

    def __init__(self, rows: EventRows, queue: Queue, world: Acknowledged) -> None:
        self._rows = rows
        self._queue = queue
        self._world = world
        self._arrived = asyncio.Event()
        self._emitted = asyncio.Event()
        self._log = get_logger("events")

    def hint(self) -> None:
        """Events wait to be matched."""
        self._arrived.set()

    def emitted(self) -> None:
        """A commit of this process brought events into the world."""
        self._arrived.set()
        self._emitted.set()

    async def keep_matching(self) -> None:
        """Match until cancelled."""
        while True:
            self._arrived.clear()
            full = False
            try:
                count, runs = await self._rows.match(LIMIT)
                self._queue.put([Said(run, look=True) for run in runs])
                full = count == LIMIT
            except Fault as fault:
                self._log.warning("events_not_matched", detail=str(fault))
            if not full:
                await _wait(self._arrived)

    async def keep_publishing(self) -> None:
        """Publish until cancelled."""
        while True:
            self._emitted.clear()
            full = False
            try:
                full = await self._publish_once()
            except Fault as fault:
                self._log.warning("events_not_published", detail=str(fault))
            if not full:
                await _wait(self._emitted)

    async def _publish_once(self) -> bool:
        """Whether there was more than one round takes."""
        events = await self._rows.unpublished(LIMIT)
        stored: list[Arrived] = []
        results = await asyncio.gather(*(self._publish(event) for event in events), return_exceptions=True)
        for event, result in zip(events, results, strict=True):
            if result is None:
                stored.append(event)
            elif not isinstance(result, Fault):
                raise result
        if stored:
            await self._rows.published(stored)
        return len(stored) == LIMIT

    async def _publish(self, event: Arrived) -> None:
        subject = subjects.event(event.tenant, subject_of(event.type))
        await self._world.publish_event(subject, event.body, message_id=event.inbox_key, kind=STRUCTURED)


async def _wait(wake: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_EVERY_S):
            await wake.wait()
    except TimeoutError:
        return
