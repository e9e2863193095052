"""Bounds what the producers of one tenant may put into `EVENTS` before it is taken in.

All tenants share the stream, and a full stream refuses everybody. While it is less than a quarter full nobody
is looked at. From there on what was taken in is removed, and a tenant that holds more than an eighth of the
stream is refused until it holds less than a sixteenth: its PubAcks fail. Nothing that was accepted is lost.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from visapi_common.adapters.event_stream import EventLoad
from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger

_EVERY_S = 0.25
_LOOK_FROM = 1 / 4
_SHARE = 1 / 8
_ENOUGH = 1 / 16
_TENANTS_MAX = 10_000
"""Beyond so many tenants the subjects of the others do not fit into the stream's configuration."""


class ProducedEvents(Protocol):
    """`EVENTS` (`adapters.event_stream`)."""

    async def load(self) -> EventLoad: ...
    async def forget_taken(self) -> None: ...
    async def shares(self, load: EventLoad) -> dict[str, float]: ...
    async def take_from(self, tenants: Sequence[str] | None) -> None: ...


class TenantRows(Protocol):
    async def tenants(self) -> list[str]: ...


class ProducerShares:
    """See the module's docstring. Several orchestrators come to the same decision."""

    def __init__(self, stream: ProducedEvents, rows: TenantRows, metrics: Metrics) -> None:
        self._stream = stream
        self._rows = rows
        self._metrics = metrics
        self._isolation = Isolation("producers", metrics)
        self._refused: frozenset[str] = frozenset()
        self._log = get_logger("producers")

    async def run(self) -> None:
        """Look four times a second until cancelled."""
        while True:
            try:
                await self.once()
            except Fault as fault:
                self._isolation.note(fault)
            await asyncio.sleep(_EVERY_S)

    async def once(self) -> None:
        """One look."""
        load = await self._stream.load()
        if load.bytes_max <= 0 or (load.bytes_held < load.bytes_max * _LOOK_FROM and load.tenants is None):
            self._refused = frozenset()
            return
        await self._stream.forget_taken()
        load = await self._stream.load()
        refused = await self._over_share(load)
        await self._refuse(load, refused)

    async def _over_share(self, load: EventLoad) -> frozenset[str]:
        if load.bytes_held < load.bytes_max * _ENOUGH:
            return frozenset()
        held = {
            tenant: share * load.bytes_held for tenant, share in (await self._stream.shares(load)).items()
        }
        begins = load.bytes_max * (_SHARE if load.bytes_held >= load.bytes_max * _LOOK_FROM else 1)
        ends = load.bytes_max * _ENOUGH
        return frozenset(
            tenant for tenant, size in held.items() if size > (ends if tenant in self._refused else begins)
        )

    async def _refuse(self, load: EventLoad, refused: frozenset[str]) -> None:
        for tenant in sorted(refused - self._refused):
            self._metrics.producers_refused.inc()
            self._log.warning("producer_refused", tenant=tenant, stream_bytes=load.bytes_held)
        for tenant in sorted(self._refused - refused):
            self._log.info("producer_admitted", tenant=tenant)
        self._refused = refused
        others: list[str] | None = None
        if refused:
            others = [tenant for tenant in await self._rows.tenants() if tenant not in refused]
            if len(others) > _TENANTS_MAX:
                self._log.error("producer_not_refused", tenants=len(others))
            if not 0 < len(others) <= _TENANTS_MAX:
                others = None
        if load.tenants != (None if others is None else frozenset(others)):
            await self._stream.take_from(others)
