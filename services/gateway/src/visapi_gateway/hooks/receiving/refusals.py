"""Refused requests: counted in memory, stored each second, however many there are.

Whoever knows a hook's address may send wrong signatures without end; each costs a number in memory, and each
second a bounded number of rows. What a process that dies has not stored yet is not counted.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.hooks import RefusalReason, RefusedRequest
from visapi_common.core.ids import Ids
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.hooks.rules.live_hooks import LiveHook
from visapi_gateway.hooks.rules.requests import Refused

REFUSED_KEPT = 20
"""Refused requests of one hook that are kept one by one."""
HOOKS_MAX = 10_000
"""Hooks whose refusals wait in memory; further ones are counted by the metrics alone."""
_EVERY_S = 1.0
_DETAIL_MAX = 300


class RefusalCounts:
    """What waits to be stored of one hook."""

    def __init__(self, tenant: str, hook: UUID) -> None:
        self.tenant = tenant
        self.hook = hook
        self._counts: Counter[RefusalReason] = Counter()
        self._last: dict[RefusalReason, datetime] = {}
        self._latest: deque[tuple[UUID, RefusedRequest]] = deque(maxlen=REFUSED_KEPT)

    def add(self, ident: UUID, refused: RefusedRequest) -> None:
        self._counts[refused.reason] += 1
        self._last[refused.reason] = refused.at
        self._latest.append((ident, refused))

    def columns(self) -> list[tuple[RefusalReason, int, datetime]]:
        return [(reason, number, self._last[reason]) for reason, number in self._counts.items()]

    def latest_columns(self) -> list[tuple[UUID, datetime, str, str, str]]:
        return [(ident, *msgspec.structs.astuple(each)) for ident, each in self._latest]


class RefusalRows(Protocol):
    async def add(self, tenant: str, counts: Sequence[RefusalCounts]) -> None:
        """Store the counts of one tenant's hooks. Raises `Fault`."""
        ...


class Refusals:
    """See the module's docstring."""

    def __init__(self, rows: RefusalRows, ids: Ids, metrics: Metrics) -> None:
        self._rows = rows
        self._ids = ids
        self._waiting: dict[UUID, RefusalCounts] = {}
        self._isolation = Isolation("hook-refusals", metrics)

    def note(self, hook: LiveHook, refused: Refused, address: str, at: datetime) -> None:
        counts = self._waiting.get(hook.id)
        if counts is None:
            if len(self._waiting) >= HOOKS_MAX:
                return
            counts = self._waiting[hook.id] = RefusalCounts(hook.tenant, hook.id)
        detail = refused.detail[:_DETAIL_MAX]
        counts.add(self._ids.uuid7(), RefusedRequest(at, refused.reason, detail, address))

    async def keep_storing(self) -> None:
        """Store what waits each second, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.store()

    async def store(self) -> None:
        """Store what waits. Of a tenant whose rows cannot be stored the numbers are dropped; they delay no
        other.
        """
        waiting, self._waiting = self._waiting, {}
        by_tenant: dict[str, list[RefusalCounts]] = {}
        for counts in waiting.values():
            by_tenant.setdefault(counts.tenant, []).append(counts)
        for tenant, theirs in by_tenant.items():
            try:
                await self._rows.add(tenant, theirs)
            except Exception as error:  # noqa: BLE001 (see above)
                self._isolation.note(error)
