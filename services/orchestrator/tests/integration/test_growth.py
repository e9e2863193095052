"""A run that loops without end is ended, and what ended long ago is forgotten at any rate."""

import msgspec

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
    ends = {
        "revoked": "now() - interval '91 days'",
        "expired": "null",
        "lately": "now() - interval '89 days'",
        "living": "null",
    }
    for key, disabled_at in ends.items():
        expires_at = "now() - interval '91 days'" if key == "expired" else "now() + interval '1 day'"
        await stack.gateway.pool.execute(
            "insert into api_keys (id, tenant, kind, name, hash, scopes, created_by, expires_at, disabled_at)"
            f" values ($1, 'default', 'live', 'n', '', '{{}}', 'test', {expires_at}, {disabled_at})",
            key,
        )

    async def left() -> set[str]:
        return {row["id"] for row in await stack.gateway.pool.fetch("select id from api_keys")} & set(ends)

    async def swept() -> bool:
        return not {"revoked", "expired"} & await left()

    async with stack.orchestrator(ended_keys_days=90):
        await eventually(swept, within_s=60)
        assert await left() == {"lately", "living"}
