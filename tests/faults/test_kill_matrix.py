"""`kill -9` of each process during running workflows: accepted = completed, and nothing twice.

One stack takes all the faults, one after the other, each under a load of its own. The short form (in
`make test`) has a small load; `make faults` sets `VISAPI_TEST_FAULT_RUNS=200`. Amid the faults of each load, poison
of every kind is planted (`kit.poison`): it stands in dead letters afterwards, and costs none of the runs anything.
"""

import json
import os
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from faults.checker import judge
from faults.harness import FaultStack, fault_stack
from faults.load import Load
from faults.usage_checker import usage_drift
from kit.forms import variants
from visapi.stack.standins.faults import Fault, FaultKind

RUNS = int(os.environ.get("VISAPI_TEST_FAULT_RUNS", "24"))
LOAD_S = max(4.0, RUNS * 0.06)
"""The load leaves the machine room to breathe: what is measured is recovery, not a queue."""
SETTLE_S = 60.0 + RUNS * 0.3
PAUSE_S = 7.0
"""Longer than every lease (4 s), so that the paused process has lost what it held."""
ALL = ["gateway", "orchestrator", "pdf-worker", "notifier", "nats", "postgres"]

pytestmark = [pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[FaultStack]:
    async with fault_stack() as running:
        yield running


async def _survives(
    stack: FaultStack,
    name: str,
    fault: Callable[[], None],
    *,
    definition: str = "workflow",
    cancel_every: int = 0,
) -> None:
    stack.forget()
    async with Load(stack, name, definition=definition) as load:
        faults = {RUNS // 3: fault, 2 * RUNS // 3: fault}
        await load.start_runs(RUNS, seconds=LOAD_S, at=faults, cancel_every=cancel_every)
        await load.settle(timeout_s=SETTLE_S)
        verdict = judge(await load.observe())
        drifted = await usage_drift(stack.ledger_url)
        told = {
            **verdict.counts,
            "faults": len(stack.faults),
            "recovery s": round(load.recovery_s(), 1),
            "slowest start s": round(load.slowest_start_s, 1),
            "answers": {str(status): count for status, count in sorted(load.answers.items())},
        }
    print(f"\n{name}: {json.dumps(told)}")
    assert verdict.violations == []
    assert drifted == []


@pytest.mark.parametrize("name", ALL)
async def test_nothing_is_lost_or_doubled_when_a_process_is_killed_twice(
    stack: FaultStack, name: str
) -> None:
    await _survives(stack, name, lambda: stack.kill(name))


async def test_nothing_is_lost_or_doubled_when_the_whole_store_of_nats_is_wiped(stack: FaultStack) -> None:
    await _survives(stack, "nats wiped", stack.wipe_nats)


@pytest.mark.parametrize("name", variants(["orchestrator", "notifier"], short=["orchestrator"]))
async def test_nothing_is_lost_or_doubled_when_a_process_is_paused_beyond_its_leases(
    stack: FaultStack, name: str
) -> None:
    await _survives(stack, f"{name} paused", lambda: stack.pause(name, PAUSE_S))


@pytest.mark.full
@pytest.mark.parametrize("name", ["orchestrator", "notifier"])
async def test_nothing_is_lost_or_doubled_when_one_of_two_replicas_is_paused_and_comes_back(
    stack: FaultStack, name: str
) -> None:
    with stack.replica(name):
        await _survives(stack, f"one of two {name}s paused", lambda: stack.pause(name, PAUSE_S))


async def test_a_webhook_that_resets_after_applying_is_repeated_under_its_key(stack: FaultStack) -> None:
    def resets() -> None:
        stack.receivers.hooks.faults.add(Fault(FaultKind.RESET), 5)

    await _survives(stack, "webhook resets", resets, definition="workflow_retried")


@pytest.mark.full
async def test_a_cancelled_run_ends_although_the_orchestrator_is_killed(stack: FaultStack) -> None:
    await _survives(stack, "cancels", lambda: stack.kill("orchestrator"), cancel_every=2)
