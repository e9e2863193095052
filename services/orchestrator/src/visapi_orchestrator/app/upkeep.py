"""What grows old or must exist ahead of time: idempotency keys, events, dead letters, approvals,
ended runs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from visapi_common.core.errors import Fault
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.app.retention import Retention

_EVERY_S = 600.0
_RETRY_S = 10.0
_MORE_S = 0.1
_LIMIT = 5000


class AgingRows(Protocol):
    async def sweep_idempotency(self, limit: int) -> int: ...
    async def sweep_events(self, limit: int) -> int: ...
    async def sweep_letters(self, limit: int) -> int: ...
    async def sweep_approvals(self, limit: int) -> int: ...


async def keep_tidy(rows: AgingRows, retention: Retention) -> None:
    """Tidy every ten minutes until cancelled; what fails is tried again sooner, and holds nothing else up."""
    tasks = {
        "partitions": retention.keep,
        "idempotency": partial(_full, rows.sweep_idempotency),
        "events": partial(_full, rows.sweep_events),
        "dead letters": partial(_full, rows.sweep_letters),
        "approvals": partial(_full, rows.sweep_approvals),
    }
    while True:
        done = [await _tried(name, work) for name, work in tasks.items()]
        await asyncio.sleep(min(done))


async def _tried(name: str, work: Callable[[], Awaitable[bool]]) -> float:
    """Seconds until it is to be done again."""
    try:
        return _MORE_S if await work() else _EVERY_S
    except Fault as fault:
        get_logger("upkeep").warning("upkeep_failed", of=name, detail=str(fault))
        return _RETRY_S


async def _full(sweep: Callable[[int], Awaitable[int]]) -> bool:
    """Whether there may be more to sweep."""
    return await sweep(_LIMIT) == _LIMIT
