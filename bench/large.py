"""Large runs: how long one of many tasks and one over many items take, and the memory they need."""

import asyncio
import time
from typing import Any

import msgspec

from bench.http_load import closed_loop
from bench.report import Row, row
from bench.stack import BenchStack, must_all_be

_LOOK_S = 5.0
_WAIT_S = 300.0


async def large_runs(stack: BenchStack, *, tasks: int, items: int) -> list[Row]:
    """One run of `tasks` calls to the no-op worker, one after the other, and one `flow.map` over `items`
    calls, 200 at once. The memory is the most that the stack was seen to need beyond what it needed before.
    """
    before = await asyncio.to_thread(stack.memory_mb)
    calls_s, calls_mb = await _one(stack, "many-tasks", {"count": tasks}, expected={"n": tasks - 1})
    map_s, map_mb = await _one(
        stack, "many-items", {"items": [{"n": number % 10} for number in range(items)]}, expected={"n": items}
    )
    return [
        row(f"{tasks:,} tasks of one run", tasks / calls_s, "/s"),
        row(f"{items:,} items of one map", items / map_s, "/s"),
        row("memory of large runs", max(calls_mb, map_mb, before) - before, "MB PSS more"),
    ]


async def _one(stack: BenchStack, workflow: str, value: Any, *, expected: Any) -> tuple[float, float]:
    """Seconds to the end of one run, and the most memory of the stack meanwhile in MB."""
    began = time.monotonic()
    request = stack.start_request(workflow, value)
    load = await closed_loop(stack.url, lambda _: request, total=1, connections=1, keep=True)
    must_all_be(load, 202)
    run, most, looked = msgspec.json.decode(load.bodies[0])["id"], 0.0, began
    while time.monotonic() - began < _WAIT_S:
        view = await asyncio.to_thread(stack.get, f"/v1/runs/{run}")
        if view["ended_at"] is not None:
            took = time.monotonic() - began
            if view["output"] != expected:
                raise SystemExit(
                    f"a run of {workflow} is {view['status']}: {view['error'] or view['output']}"
                )
            return took, max(most, await asyncio.to_thread(stack.memory_mb))
        if time.monotonic() - looked >= _LOOK_S:
            looked, most = time.monotonic(), max(most, await asyncio.to_thread(stack.memory_mb))
        await asyncio.sleep(0.05)
    raise SystemExit(f"a run of {workflow} did not end within {_WAIT_S:.0f} s")
