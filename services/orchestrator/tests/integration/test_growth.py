"""A run that loops without end is ended, and what ended long ago is forgotten at any rate."""

import msgspec

from kit.orchestration import Stack


async def test_a_loop_without_end_faults_when_its_history_is_full_and_cannot_catch_that(stack: Stack):
    await stack.gateway.deploy(
        "looping",
        "do: [{t: {try: [{a: {call: acme.echo}}], catch: {do: [{s: {set: {caught: true}}}]}, then: t}}]",
    )
    async with stack.orchestrator(history_items_max=100) as lifecycle:
        await stack.worker("acme.echo")
        run = await stack.gateway.start("looping")
        row = await stack.gateway.ended(run, within_s=30)
        error = msgspec.json.decode(row["error"])
        assert (row["status"], error["status"], error["title"]) == ("faulted", 400, "History too long")
        assert 100 <= row["seq"] < 200
        assert row["resume"] is None
        assert await stack.gateway.count("tasks", run) == 0
        assert lifecycle.metrics.histories_long._value.get() == 1
