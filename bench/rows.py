"""The rows of the benchmark, measured through VisAPI's public interfaces."""

import asyncio
import time
from datetime import datetime

from bench.http_load import LoadResult, closed_loop, open_loop
from bench.report import Row, row
from bench.stack import BenchStack, drain, must_all_be
from bench.workflows import invoice


async def three_step_throughput(stack: BenchStack, *, runs: int) -> float:
    """Runs per second from the first start to the last end, started over HTTP with a key."""
    request = stack.start_request("three-steps", {"order": 4711, "note": "x" * 200})
    await closed_loop(stack.url, lambda _: request, total=200, connections=32)
    drain(stack)
    began = time.time()
    load = await closed_loop(stack.url, lambda _: request, total=runs, connections=64)
    must_all_be(load, 202)
    drain(stack)
    newest = stack.get("/v1/runs?limit=200")["items"]
    ended = max(datetime.fromisoformat(run["ended_at"]).timestamp() for run in newest)
    return runs / (ended - began)


async def three_step_latency(stack: BenchStack, *, seconds: int) -> LoadResult:
    """From the request to the ended run in the answer (`Prefer: wait`), at 100 starts per second."""
    request = stack.start_request("three-steps", {"order": 4711}, wait_s=10)
    load = await open_loop(stack.url, lambda _: request, rate=100, total=100 * seconds, connections=64)
    must_all_be(load, 200)
    return load


async def accepted_triggers(stack: BenchStack, *, total: int) -> float:
    """`202` per second; the orchestrator advances what was accepted at the same time."""
    request = stack.start_request("one-set", {"order": 4711, "note": "x" * 900})
    load = await closed_loop(stack.url, lambda _: request, total=total, connections=64)
    must_all_be(load, 202)
    drain(stack)
    return load.rate


async def accept_latency(stack: BenchStack, *, seconds: int) -> LoadResult:
    """Latency of the `202` at 1,000 starts per second."""
    request = stack.start_request("one-set", {"order": 4711, "note": "x" * 900})
    load = await open_loop(stack.url, lambda _: request, rate=1000, total=1000 * seconds, connections=128)
    must_all_be(load, 202)
    drain(stack)
    return load


async def hostile_expression(stack: BenchStack, *, runs: int) -> LoadResult:
    """From the request to the faulted run in the answer, of a run whose expression never ends."""
    request = stack.start_request("hostile", {}, wait_s=10)
    load = await closed_loop(stack.url, lambda _: request, total=runs, connections=1, keep=True)
    _must_have_faulted(load)
    return load


async def beside_hostile(stack: BenchStack, *, seconds: int) -> LoadResult:
    """Latency of small runs at 20 starts per second, beside runs whose expression never ends."""
    request = stack.start_request("one-set", {"order": 4711}, wait_s=10)
    hostile = stack.start_request("hostile", {}, wait_s=10)
    async with asyncio.TaskGroup() as group:
        others = group.create_task(
            open_loop(stack.url, lambda _: request, rate=20, total=20 * seconds, connections=32)
        )
        spinning = group.create_task(
            closed_loop(stack.url, lambda _: hostile, total=2 * seconds, connections=1, keep=True)
        )
    _must_have_faulted(spinning.result())
    load = others.result()
    must_all_be(load, 200)
    return load


def _must_have_faulted(load: LoadResult) -> None:
    must_all_be(load, 200)
    if any(b'"faulted"' not in body for body in load.bodies):
        raise SystemExit("a run whose expression never ends did not fault")


async def pdfs(stack: BenchStack, workflow: str, *, total: int) -> float:
    """One-page PDFs per second, each a whole run from `POST` to the stored artifact."""

    def make(number: int) -> bytes:
        return stack.start_request(workflow, {"html": invoice(number)}, wait_s=60)

    await closed_loop(stack.url, lambda number: make(-1 - number), total=8, connections=4)
    load = await closed_loop(stack.url, make, total=total, connections=8)
    must_all_be(load, 200)
    return load.rate


def latency_rows(name: str, load: LoadResult, limit: float | None = None) -> list[Row]:
    return [
        row(f"{name} p50", load.percentile_ms(0.50), "ms", limit),
        row(f"{name} p99", load.percentile_ms(0.99), "ms"),
    ]
