"""The rows of DESIGN section 9, measured through the product's own doors."""

import time
from datetime import datetime

from bench.http_load import LoadResult, closed_loop, open_loop
from bench.report import Row, row
from bench.stack import BenchStack
from bench.workflows import invoice


async def three_step_throughput(stack: BenchStack, *, runs: int) -> float:
    """Runs per second from the first start to the last end, started over HTTP with a key."""
    request = stack.start_request("three-steps", {"order": 4711, "note": "x" * 200})
    await closed_loop(stack.url, lambda _: request, total=200, connections=32)
    _drain(stack)
    began = time.time()
    load = await closed_loop(stack.url, lambda _: request, total=runs, connections=64)
    _must_all_be(load, 202)
    _drain(stack)
    newest = stack.get("/v1/runs?limit=200")["items"]
    ended = max(datetime.fromisoformat(run["ended_at"]).timestamp() for run in newest)
    return runs / (ended - began)


async def three_step_latency(stack: BenchStack, *, seconds: int) -> LoadResult:
    """From the request to the ended run in the answer (`Prefer: wait`), at 100 starts per second."""
    request = stack.start_request("three-steps", {"order": 4711}, wait_s=10)
    load = await open_loop(stack.url, lambda _: request, rate=100, total=100 * seconds, connections=64)
    _must_all_be(load, 200)
    return load


async def accepted_triggers(stack: BenchStack, *, total: int) -> float:
    """`202` per second; the orchestrator advances what was accepted at the same time."""
    request = stack.start_request("one-set", {"order": 4711, "note": "x" * 900})
    load = await closed_loop(stack.url, lambda _: request, total=total, connections=64)
    _must_all_be(load, 202)
    _drain(stack)
    return load.rate


async def accept_latency(stack: BenchStack, *, seconds: int) -> LoadResult:
    """Latency of the `202` at 1,000 starts per second."""
    request = stack.start_request("one-set", {"order": 4711, "note": "x" * 900})
    load = await open_loop(stack.url, lambda _: request, rate=1000, total=1000 * seconds, connections=128)
    _must_all_be(load, 202)
    _drain(stack)
    return load


async def pdfs(stack: BenchStack, workflow: str, *, total: int) -> float:
    """One-page PDFs per second, each a whole run from `POST` to the stored artifact."""

    def make(number: int) -> bytes:
        return stack.start_request(workflow, {"html": invoice(number)}, wait_s=60)

    await closed_loop(stack.url, lambda number: make(-1 - number), total=8, connections=4)
    load = await closed_loop(stack.url, make, total=total, connections=8)
    _must_all_be(load, 200)
    return load.rate


def latency_rows(name: str, load: LoadResult, limit: float | None = None) -> list[Row]:
    return [
        row(f"{name} p50", load.percentile_ms(0.50), "ms", limit),
        row(f"{name} p99", load.percentile_ms(0.99), "ms"),
    ]


def _drain(stack: BenchStack, *, timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while stack.open_runs():
        if time.monotonic() > deadline:
            raise SystemExit(f"runs are still open after {timeout_s:.0f} s")
        time.sleep(0.1)


def _must_all_be(load: LoadResult, status: int) -> None:
    if set(load.statuses) != {status}:
        raise SystemExit(f"expected only {status}, got {load.statuses}")
