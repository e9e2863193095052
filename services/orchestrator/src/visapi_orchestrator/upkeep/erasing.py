"""Erases tenants, in pieces that are small enough to disturb nobody.

Each tenant that is to be erased gets one piece in turn, so that a large one delays no other. A piece that
fails puts its own tenant off, with the reason, and no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec

from visapi_common.core.failures import failure_text
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.upkeep.rules.erasing import OBJECTS, Piece, Place
from visapi_orchestrator.upkeep.usage import UsageRows, keep_adding_up

ROWS = 1000
"""The most rows that one piece deletes."""
_AT_ONCE = 16
"""Tenants that get a piece in one round."""
_EVERY_S = 5.0
_MORE_S = 0.05
"""Between two rounds, so that erasing takes a part of the database's time only."""
_OFF_S = 30.0
"""For how long a tenant is put off after a failure."""


class Erasure(msgspec.Struct, frozen=True):
    """A tenant that is to be erased."""

    tenant: str
    place: Place


class ErasureRows(Protocol):
    async def due(self, limit: int) -> Sequence[Erasure]: ...
    async def piece(self, erasure: Erasure, limit: int) -> None:
        """One piece of a step that deletes rows, and the place after it, in one transaction. Nothing happens
        where another replica has gone on from the place meanwhile.
        """
        ...

    async def go_on(self, erasure: Erasure, piece: Piece) -> None:
        """Record the place after a piece that was done elsewhere."""
        ...

    async def put_off(self, tenant: str, seconds: float, why: str) -> None: ...


class ErasedObjects(Protocol):
    async def remove_some(self, kind: str, tenant: str) -> Piece:
        """Remove some artifacts or large values of a tenant."""
        ...


class Erasing:
    """See the module's docstring."""

    def __init__(self, rows: ErasureRows, objects: ErasedObjects) -> None:
        self._rows = rows
        self._objects = objects

    async def run(self, isolation: Isolation) -> None:
        """Until cancelled."""
        while True:
            busy = False
            try:
                busy = await self.round(isolation)
            except Exception as error:  # noqa: BLE001 (the tenants wait for the next round)
                isolation.note(error)
            await asyncio.sleep(_MORE_S if busy else _EVERY_S)

    async def round(self, isolation: Isolation) -> bool:
        """One piece of each tenant that is due. Returns whether there was any. Raises `Fault`."""
        due = await self._rows.due(_AT_ONCE)
        for erasure in due:
            outcome = await isolation.each([erasure], self._some, self._quarantine)
            failed = outcome.fault is not None or bool(outcome.quarantined)
            isolation.metrics.tenant_erasure_pieces.labels("failed" if failed else "done").inc()
            if outcome.fault is not None:
                await self._rows.put_off(erasure.tenant, _OFF_S, failure_text(outcome.fault))
        return bool(due)

    async def _some(self, erasures: Sequence[Erasure]) -> None:
        for erasure in erasures:
            if erasure.place.step in OBJECTS:
                gone = await self._objects.remove_some(erasure.place.step, erasure.tenant)
                await self._rows.go_on(erasure, gone)
            else:
                await self._rows.piece(erasure, ROWS)

    async def _quarantine(self, erasure: Erasure, error: Exception) -> None:
        await self._rows.put_off(erasure.tenant, _OFF_S, failure_text(error))


def upkeep_work(
    usage: UsageRows, erasing: Erasing, metrics: Metrics
) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """The loops of upkeep that are not sweeps by age."""
    return {
        "usage": partial(keep_adding_up, usage, Isolation("usage", metrics)),
        "erasures": partial(erasing.run, Isolation("erasures", metrics)),
    }
