"""A run that loops without end is ended, and what ended long ago is forgotten at any rate."""

from datetime import UTC, datetime, timedelta

import msgspec

from kit.ledger_rows import plant
from kit.orchestration import Stack, eventually


async def test_a_loop_without_end_faults_when_its_history_is_full_and_cannot_catch_that(stack: Stack):
    await stack.gateway.deploy(
        "looping",
        "do: [{t: {try: [{a: {call: acme.echo}}], catch: {do: [{s: {set: {caught: true}}}]}, then: t}}]",
    )
    async with stack.orchestrator(history_items_max=100) as lifecycle:
        await stack.worker("acme.echo")
        run = await stack.gateway.start("looping")
        row = await stack.gateway.ended(run)
        error = msgspec.json.decode(row["error"])
        assert (row["status"], error["status"], error["title"]) == ("faulted", 400, "History too long")
        assert 100 <= row["seq"] < 200
        assert row["resume"] is None
        assert await stack.gateway.count("tasks", run) == 0
        assert lifecycle.metrics.histories_long._value.get() == 1


async def test_keys_that_ended_long_ago_are_swept_and_no_others(stack: Stack):
    now = datetime.now(UTC)
    long_ago, lately, tomorrow = (now + timedelta(days=days) for days in (-91, -89, 1))
    ends = {
        "revoked": (tomorrow, long_ago),
        "expired": (long_ago, None),
        "lately": (tomorrow, lately),
        "living": (tomorrow, None),
    }
    key = {"tenant": "default", "kind": "live", "name": "n", "hash": b"", "scopes": [], "created_by": "test"}
    for name, (expires_at, disabled_at) in ends.items():
        row = {"id": name, "expires_at": expires_at, "disabled_at": disabled_at}
        await plant(stack.gateway.pool, "api_keys", **key, **row)

    async def left() -> set[str]:
        return {row["id"] for row in await stack.gateway.pool.fetch("select id from api_keys")} & set(ends)

    async def swept() -> bool:
        return not {"revoked", "expired"} & await left()

    async with stack.orchestrator(ended_keys_days=90):
        await eventually(swept, within_s=60)
        assert await left() == {"lately", "living"}
