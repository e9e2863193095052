"""How often the levels of queues are read: slow counting is done less often, but never left undone."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from kit.fakes.clocks import in_no_time
from visapi_common.core.errors import TransientFault
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.upkeep.levels import QueueLevel, StoreLevel, report_levels


class Stores:
    """PostgreSQL and NATS; a count takes `takes_s`, and fails where `away` says so."""

    def __init__(self, takes_s: float, *, away: bool = False) -> None:
        self._takes_s = takes_s
        self._away = away
        self.asked: list[float] = []

    async def queues(self, most: int) -> Sequence[QueueLevel]:
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._takes_s)
        if self._away:
            raise TransientFault("PostgreSQL is away")
        return [QueueLevel("pending_runs", len(self.asked), float(most))]

    async def store(self) -> StoreLevel:
        return StoreLevel(1, 1)

    async def open_tasks(self, functions: Sequence[str], most: int) -> dict[str, int]:
        return dict.fromkeys(functions, most)

    async def view(self) -> Sequence[Any]:
        return ()


@pytest.mark.parametrize(
    ("takes_s", "away", "every_s"),
    [(0.01, False, 5.01), (0.2, False, 10.2), (36.0, False, 66.0), (10.0, True, 15.0)],
    ids=["quick", "slow", "stopped amid counting", "PostgreSQL does not answer"],
)
@in_no_time
async def test_levels_are_read_again_within_half_a_minute(takes_s: float, away: bool, every_s: float):
    stores, metrics = Stores(takes_s, away=away), open_metrics()
    reporting = asyncio.create_task(
        report_levels(
            ledger=stores,
            tasks=stores,
            streams=stores,
            metrics=metrics,
            isolation=Isolation("levels", metrics),
            monotonic=asyncio.get_running_loop().time,
        )
    )
    await asyncio.sleep(every_s * 2.5)
    reporting.cancel()
    first, second, third = stores.asked
    assert (second - first, third - second) == (pytest.approx(every_s), pytest.approx(every_s))
