"""Deletes old rows, and creates partitions ahead of time: idempotency keys, events, dead letters, approvals,
ended runs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from visapi_common.runtime.isolation import Isolation
from visapi_orchestrator.upkeep.retention import Retention

_EVERY_S = 600.0
_RETRY_S = 10.0
_MORE_S = 0.1
_LIMIT = 5000


class AgingRows(Protocol):
    async def sweep_idempotency(self, limit: int) -> int: ...
    async def sweep_events(self, limit: int) -> int: ...
    async def sweep_approvals(self, limit: int) -> int: ...


class Sweepable(Protocol):
    async def sweep(self, limit: int) -> int: ...


async def keep_tidy(rows: AgingRows, retention: Retention, isolation: Isolation, **more: Sweepable) -> None:
    """Tidy every ten minutes until cancelled. A failed job is retried sooner, and delays no other job."""
    tasks = {
        "partitions": retention.keep,
        "idempotency": partial(_full, rows.sweep_idempotency),
        "events": partial(_full, rows.sweep_events),
        "approvals": partial(_full, rows.sweep_approvals),
        **{name: partial(_full, one.sweep) for name, one in more.items()},
    }
    while True:
        done = [await _tried(work, isolation) for work in tasks.values()]
        await asyncio.sleep(min(done))


async def _tried(work: Callable[[], Awaitable[bool]], isolation: Isolation) -> float:
    """Seconds until it is to be done again."""
    try:
        return _MORE_S if await work() else _EVERY_S
    except Exception as error:  # noqa: BLE001 (one sweep that fails keeps no other waiting)
        isolation.note(error)
        return _RETRY_S


async def _full(sweep: Callable[[int], Awaitable[int]]) -> bool:
    """Whether there may be more to sweep."""
    return await sweep(_LIMIT) == _LIMIT
