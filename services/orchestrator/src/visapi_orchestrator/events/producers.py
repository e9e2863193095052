"""Bounds the events of one tenant's producers that wait in `EVENTS`.

All tenants share the stream, and a full stream refuses every producer. While it is less than a quarter full,
tenants are not checked. Above that, stored events are removed from the stream, and a tenant that holds more
than an eighth of it is refused until it holds less than a sixteenth: its PubAcks fail. No accepted event is
lost. A disabled tenant is refused too, once it has half of its limit of dead letters.

Who is refused stands in the stream's configuration alone, so several orchestrators continue one another's
decisions. Of two that decide at once the later one counts, and the next look corrects it.
"""

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from visapi_common.adapters.event_stream import EventLoad
from visapi_common.core.errors import Fault
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.events.set_aside_messages import BYTES_MAX, NUMBER_MAX

_EVERY_S = 0.25
_LOOK_FROM = 1 / 4
_SHARE = 1 / 8
_ENOUGH = 1 / 16
_SELDOM = 4
"""While the stream has room, refused tenants, and tenants about to be, are checked only at every n-th look.
"""
_NOBODY = "_"
"""No tenant has this name, so a stream that takes its events takes none."""
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
    async def disabled_and_filling(self, tenants: Sequence[str], number: int, size: int) -> set[str]:
        """The disabled ones of these tenants that have at least `number` open dead letters of messages, or
        more than `size` bytes of them.
        """
        ...


class ProducerShares:
    """See the module's docstring. `filling` names tenants with many dead letters of messages."""

    def __init__(
        self, stream: ProducedEvents, rows: TenantRows, filling: Callable[[], set[str]], metrics: Metrics
    ) -> None:
        self._stream = stream
        self._rows = rows
        self._filling = filling
        self._metrics = metrics
        self._isolation = Isolation("producers", metrics)
        self._looks = 0
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
        """One look. While the stream has room, refused tenants are checked only now and then."""
        load = await self._stream.load()
        self._looks += 1
        suspects = self._filling()
        if not _is_pressed(load) and (self._looks % _SELDOM or (load.tenants is None and not suspects)):
            return
        known = await self._rows.tenants()
        before = frozenset[str]() if load.tenants is None else frozenset(known) - load.tenants
        closed = await self._closed(suspects | before)
        refused = closed
        if _is_pressed(load) or load.tenants is not None:
            await self._stream.forget_taken()
            load = await self._stream.load()
            refused |= await self._over_share(load, before)
        self._tell(load, before, refused, closed)
        others = [tenant for tenant in known if tenant not in refused]
        await self._refuse(load, others or [_NOBODY] if closed else others, refused)

    async def _closed(self, suspects: AbstractSet[str]) -> frozenset[str]:
        if not suspects:
            return frozenset()
        number, size = NUMBER_MAX // 2, BYTES_MAX // 2
        return frozenset(await self._rows.disabled_and_filling(sorted(suspects), number, size))

    async def _over_share(self, load: EventLoad, before: frozenset[str]) -> frozenset[str]:
        if load.bytes_max <= 0 or load.bytes_held < load.bytes_max * _ENOUGH:
            return frozenset()
        held = {
            tenant: share * load.bytes_held for tenant, share in (await self._stream.shares(load)).items()
        }
        begins = load.bytes_max * (_SHARE if load.bytes_held >= load.bytes_max * _LOOK_FROM else 1)
        ends = load.bytes_max * _ENOUGH
        return frozenset(
            tenant for tenant, size in held.items() if size > (ends if tenant in before else begins)
        )

    def _tell(
        self, load: EventLoad, before: frozenset[str], refused: frozenset[str], closed: frozenset[str]
    ) -> None:
        for tenant in sorted(refused - before):
            self._metrics.producers_refused.inc()
            because = "it is disabled" if tenant in closed else "it floods the stream"
            self._log.warning(
                "producer_refused", tenant=tenant, because=because, stream_bytes=load.bytes_held
            )
        for tenant in sorted(before - refused):
            self._log.info("producer_admitted", tenant=tenant)

    async def _refuse(self, load: EventLoad, others: Sequence[str], refused: frozenset[str]) -> None:
        if refused and len(others) > _TENANTS_MAX:
            self._log.error("producer_not_refused", tenants=len(others))
        wanted = others if refused and 0 < len(others) <= _TENANTS_MAX else None
        if load.tenants != (None if wanted is None else frozenset(wanted)):
            await self._stream.take_from(wanted)


def _is_pressed(load: EventLoad) -> bool:
    return load.bytes_max > 0 and load.bytes_held >= load.bytes_max * _LOOK_FROM
