"""One run through ledger, engine and workers and back."""

from kit.orchestration import Stack

THREE_STEPS = """
do:
  - one: {call: acme.echo, with: {n: 1}}
  - two: {call: acme.echo, with: {n: 2}}
  - three: {call: acme.echo, with: {n: 3}}
"""


async def test_a_three_step_run_completes_and_leaves_nothing_open(stack: Stack):
    await stack.gateway.deploy("three", THREE_STEPS)
    async with stack.orchestrator():
        worker = await stack.worker("acme.echo")
        run = await stack.gateway.start("three", {"hello": 1})
        row = await stack.gateway.ended(run)
        assert row["status"] == "completed"
        assert [task.attempt for task in worker.seen] == [1, 1, 1]
        items = await stack.gateway.history(run)
        assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
        assert items[0]["type"] == "workflow.started"
        assert items[-1]["type"] == "workflow.completed"
        for table in ("tasks", "timers", "inbox"):
            assert await stack.gateway.count(table, run) == 0
        assert await stack.gateway.live(run) is None
