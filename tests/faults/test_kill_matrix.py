"""`kill -9` of each process during running workflows: accepted = completed, and nothing twice.

The short form (in `make test`) kills under a small load; `make faults` sets `VISAPI_TEST_FAULT_RUNS=200`.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from faults.checker import judge
from faults.harness import FaultStack

RUNS = int(os.environ.get("VISAPI_TEST_FAULT_RUNS", "24"))
QUIET_S = 60.0 + RUNS * 0.3


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[FaultStack]:
    stack = FaultStack(tmp_path)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()


async def _run_with(stack: FaultStack, name: str, fault: Callable[[], None]) -> None:
    await stack.start_runs(RUNS, at={RUNS // 3: fault, 2 * RUNS // 3: fault})
    settled_s = await stack.quiet(timeout_s=QUIET_S)
    verdict = judge(await stack.observe())
    print(f"\n{name}: {json.dumps(verdict.counts)}, quiet {settled_s:.1f} s after the last start")
    assert verdict.violations == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["gateway", "orchestrator", "pdf-worker", "notifier", "nats", "postgres"])
async def test_nothing_is_lost_or_doubled_when_a_process_is_killed_twice(stack: FaultStack, name: str) -> None:
    await _run_with(stack, name, lambda: stack.kill(name))


@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_doubled_when_the_whole_store_of_nats_is_wiped(stack: FaultStack) -> None:
    await _run_with(stack, "nats wiped", stack.wipe_nats)
