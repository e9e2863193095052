"""What a tenant notices of another one's backlog (anchors, Bars: p99 at most twice as long)."""

import asyncio

from bench.http_load import LoadResult, closed_loop, open_loop
from bench.report import Row, row
from bench.stack import BenchStack, drain, must_all_be
from bench.workflows import one_set

_RATE = 20


async def beside_backlog(
    stack: BenchStack, neighbour: BenchStack, *, backlog: int, seconds: int
) -> list[Row]:
    """Latency of small runs at 20 starts per second, alone and while another tenant's runs wait."""
    await _deployed(neighbour)
    alone = await _small_runs(neighbour, seconds)
    request = stack.start_request("three-steps", {"order": 4711, "note": "x" * 200})
    load = await closed_loop(stack.url, lambda _: request, total=backlog, connections=64)
    must_all_be(load, 202)
    beside = await _small_runs(neighbour, seconds)
    drain(stack)
    name = f"another tenant beside a backlog of {backlog:,}"
    return [
        row(f"{name} {which}", beside.percentile_ms(at), "ms", alone.percentile_ms(at))
        for which, at in (("p50", 0.50), ("p99", 0.99))
    ]


async def _deployed(neighbour: BenchStack) -> None:
    """The new key is known to the gateway within moments."""
    for _ in range(100):
        try:
            neighbour.deploy(one_set())
        except SystemExit:
            await asyncio.sleep(0.1)
        else:
            return
    neighbour.deploy(one_set())


async def _small_runs(neighbour: BenchStack, seconds: int) -> LoadResult:
    request = neighbour.start_request("one-set", {"order": 4711}, wait_s=30)
    load = await open_loop(
        neighbour.url, lambda _: request, rate=_RATE, total=_RATE * seconds, connections=32
    )
    must_all_be(load, 200)
    return load
