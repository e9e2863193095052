"""Runs beside one whose expressions exceed their budget, in one batch of a real engine pool."""

from datetime import timedelta

from kit.ledger_rows import move_back
from kit.orchestration import Stack

HOSTILE = "hostile"
ORDINARY = "do: [{a: {set: {n: '${ .n }'}}}, {b: {call: acme.echo}}]"
ENDLESS = "{try: [{bad: {set: {x: '${ def f: f; f }'}}}], catch: {do: [{say: {set: {x: 1}}}]}}"
NEVER = "do: [" + ", ".join(f"{{t{n}: {ENDLESS}}}" for n in range(8)) + "]"


async def test_what_stands_in_a_batch_with_a_hostile_run_is_committed_before_it_ends(stack: Stack):
    await stack.gateway.deploy("never", NEVER, tenant=HOSTILE)
    await stack.gateway.deploy("fine", ORDINARY)
    slow = await stack.gateway.start("never", tenant=HOSTILE, announce=False)
    fine = [await stack.gateway.start("fine", {"n": number}, announce=False) for number in range(20)]
    await move_back(stack.gateway.pool, "runs", timedelta(minutes=1), "created_at")
    async with stack.orchestrator():
        worker = await stack.worker("acme.echo")
        ended = [await stack.gateway.ended(run) for run in fine]
        assert await stack.gateway.done(slow) is None, "the others waited for it"
        row = await stack.gateway.ended(slow)
    assert row["status"] == "completed"
    assert {one["status"] for one in ended} == {"completed"}
    assert max(one["ended_at"] for one in ended) < row["ended_at"]
    assert len(worker.seen) == len(fine)
