"""Sends webhooks to endpoints: finds what is due, claims it, tries it, and writes down how it ended.

A message is claimed for the time of an attempt and a margin. Where its process is killed, another claims it
when that time is over, and sends it again under the same id.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from visapi_common.adapters.on_behalf import TENANT
from visapi_common.core.clocks import Clock
from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import Fault
from visapi_common.core.failures import failure_text
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.runtime.group_commit import GroupCommit
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_notifier.endpoints.rules import (
    LEASE_S,
    SLOW_S,
    TIMEOUT_S,
    WEBHOOK_FAILED,
    Attempt,
    ClaimedMessage,
    DueEndpoint,
    GivenUp,
    after_failure,
    after_response,
    request_of,
    unopened,
)
from visapi_notifier.endpoints.shares import Place, places

BYTES_AT_ONCE = 32 * 1024 * 1024
"""Of the messages being sent."""
POOR_BYTES_AT_ONCE = BYTES_AT_ONCE // 2
"""Of those to endpoints that fail or are slow."""
TENANT_BYTES_AT_ONCE = BYTES_AT_ONCE // 8
"""A tenant with so many bytes being sent begins to send nothing more."""
_EVERY_S = 0.5
_SOON_S = 0.02
_REST = 1.0
"""Times as long as a look took the process rests before the next one."""
_LATE_S = LEASE_S - TIMEOUT_S - 5.0
"""A message that was claimed longer ago is not sent: its lease might end meanwhile."""
_DRAIN_S = 5.0
_SLOW_MAX = 10_000

Ended = tuple[ClaimedMessage, Attempt, float]


class EndpointRows(Protocol):
    async def due(self) -> Sequence[DueEndpoint]:
        """Endpoints with messages to send now. Raises `Fault`."""
        ...

    async def claim(
        self, places: Sequence[Place], bytes_max: int, tenant_bytes_max: int
    ) -> Sequence[ClaimedMessage]:
        """Claim messages of these endpoints, of so many bytes together and of a tenant, but one at least."""
        ...

    async def finish(self, ended: Sequence[Ended]) -> Sequence[GivenUp]:
        """Write down how attempts ended, and what is known of their endpoints. The new dead letters."""
        ...


class Sender:
    """See the module's docstring."""

    def __init__(
        self,
        rows: EndpointRows,
        exchange: Callable[[Outbound], Awaitable[Inbound]],
        clock: Clock,
        metrics: Metrics,
        *,
        draw: Callable[[], float],
        announce: Callable[[GivenUp], None],
    ) -> None:
        self._rows = rows
        self._exchange = exchange
        self._clock = clock
        self._metrics = metrics
        self._draw = draw
        self._announce = announce
        self._ends = GroupCommit(self._write)
        self._isolation = Isolation("endpoints", metrics)
        self._busy: dict[asyncio.Task[None], ClaimedMessage] = {}
        self._failing: frozenset[UUID] = frozenset()
        self._slow: set[UUID] = set()
        self._freed = asyncio.Event()
        self._log = get_logger("endpoints")

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop; then what is being sent is finished, within seconds."""
        async with asyncio.TaskGroup() as group:
            ends = group.create_task(self._ends.run())
            finding = group.create_task(self._find())
            await stopping.wait()
            finding.cancel()
            if self._busy:
                await asyncio.wait(self._busy, timeout=_DRAIN_S)
            for task in list(self._busy):
                task.cancel()
            self._ends.close()
            await asyncio.wait([ends], timeout=_DRAIN_S)
            ends.cancel()

    async def _find(self) -> None:
        while True:
            began = self._clock.monotonic()
            self._freed.clear()
            sent = False
            try:
                sent = await self.look()
            except Fault as fault:
                self._isolation.note(fault)
            except Exception as error:  # noqa: BLE001 (nothing ends the sending of all)
                self._log.exception("look_failed", detail=failure_text(error))
            await asyncio.sleep(max(_SOON_S, _REST * (self._clock.monotonic() - began)))
            if not sent:
                await self._wait()

    async def _wait(self) -> None:
        """Until a slot is free, or other messages may be due."""
        try:
            async with asyncio.timeout(_EVERY_S):
                await self._freed.wait()
        except TimeoutError:
            return

    async def look(self) -> bool:
        """Begin to send what is due, as far as there is room. Whether something was begun."""
        due = sorted(await self._rows.due(), key=lambda _: self._draw())
        busy = [(message.tenant, message.endpoint) for message in self._busy.values()]
        still = self._failing.intersection(endpoint for _, endpoint in busy)
        self._failing = still.union(one.endpoint for one in due if one.failing)
        poor = self._failing | self._slow
        sent = self._bytes_by_tenant()
        wanted = places([one for one in due if sent[one.tenant] < TENANT_BYTES_AT_ONCE], busy, poor)
        begun = await self._begin([place for place in wanted if place.endpoint not in poor], BYTES_AT_ONCE)
        poor_bytes = sum(message.size for message in self._busy.values() if message.endpoint in poor)
        within = min(BYTES_AT_ONCE, self._bytes_by_tenant().total() + POOR_BYTES_AT_ONCE - poor_bytes)
        return await self._begin([place for place in wanted if place.endpoint in poor], within) or begun

    async def _begin(self, wanted: Sequence[Place], within: int) -> bool:
        """Begin to send to these endpoints until `within` bytes are being sent. Whether there was room."""
        room = within - self._bytes_by_tenant().total()
        if not wanted or room <= 0:
            return False
        claimed_at = self._clock.monotonic()
        for message in await self._rows.claim(wanted, room, TENANT_BYTES_AT_ONCE):
            task = asyncio.create_task(self._send(message, claimed_at))
            self._busy[task] = message
            task.add_done_callback(self._free)
        return True

    def _bytes_by_tenant(self) -> Counter[str]:
        """Of the messages being sent."""
        sent = Counter[str]()
        for message in self._busy.values():
            sent[message.tenant] += message.size
        return sent

    def _free(self, task: asyncio.Task[None]) -> None:
        del self._busy[task]
        self._freed.set()

    async def _send(self, message: ClaimedMessage, claimed_at: float) -> None:
        TENANT.set(message.tenant)
        began = self._clock.monotonic()
        if began - claimed_at > _LATE_S:
            return
        attempt = await self._attempt(message)
        took_s = self._clock.monotonic() - began
        self._note_speed(message.endpoint, took_s)
        self._metrics.endpoint_attempts.labels(attempt.outcome).inc()
        try:
            await self._ends.submit(message.id, (message, attempt, took_s))
        except Fault as fault:
            self._isolation.note(fault)

    async def _attempt(self, message: ClaimedMessage) -> Attempt:
        draw = self._draw()
        if message.secrets is None:
            return unopened()
        try:
            inbound = await self._exchange(request_of(message, self._clock.now()))
        except EgressRefused as refused:
            self._metrics.egress_refused.labels(refused.reason).inc()
            return after_failure(message, str(refused), draw=draw)
        except Fault as fault:
            return after_failure(message, str(fault), draw=draw)
        except Exception as error:  # noqa: BLE001 (whatever an endpoint provokes is an attempt that failed)
            self._log.exception("attempt_failed", detail=failure_text(error))
            return after_failure(message, f"the attempt failed ({type(error).__name__})", draw=draw)
        return after_response(message, inbound, now=self._clock.now(), draw=draw)

    def _note_speed(self, endpoint: UUID, took_s: float) -> None:
        if took_s < SLOW_S:
            self._slow.discard(endpoint)
        elif len(self._slow) < _SLOW_MAX:
            self._slow.add(endpoint)

    async def _write(self, ended: Mapping[UUID, Ended]) -> Mapping[UUID, None]:
        for given_up in await self._rows.finish(list(ended.values())):
            self._metrics.dead_letters.labels(WEBHOOK_FAILED).inc()
            self._announce(given_up)
        return dict.fromkeys(ended)
