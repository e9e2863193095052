"""What grows old or must exist ahead of time: idempotency keys, events, approvals, ended runs."""

import asyncio
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
    async def sweep_approvals(self, limit: int) -> int: ...


async def keep_tidy(rows: AgingRows, retention: Retention) -> None:
    """Tidy every ten minutes until cancelled."""
    log = get_logger("upkeep")
    while True:
        wait_s = _EVERY_S
        try:
            more = await retention.keep()
            sweeps = (rows.sweep_idempotency, rows.sweep_events, rows.sweep_approvals)
            swept = [await sweep(_LIMIT) for sweep in sweeps]
            if more or _LIMIT in swept:
                wait_s = _MORE_S
        except Fault as fault:
            log.warning("upkeep_failed", detail=str(fault))
            wait_s = _RETRY_S
        await asyncio.sleep(wait_s)
