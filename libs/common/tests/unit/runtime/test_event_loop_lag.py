"""How late the event loop is, and whether it computed meanwhile."""

import asyncio
import time

from kit.waiting import eventually
from visapi_common.runtime.service import watch_lag
from visapi_common.telemetry.setup import open_metrics


async def test_a_call_that_blocks_the_loop_is_a_stall_from_outside():
    metrics = open_metrics()
    read = metrics.registry.get_sample_value
    watching = asyncio.create_task(watch_lag(metrics))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 (this is the blocking call)
    await eventually(lambda: read("visapi_event_loop_stalls_total", {"cause": "outside"}))
    assert (read("visapi_event_loop_lag_seconds_sum") or 0) > 0.1
    watching.cancel()
