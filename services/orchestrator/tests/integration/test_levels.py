"""What waits is reported, with its age, while nothing takes it; and is zero afterwards."""

from datetime import UTC, datetime, timedelta

import msgspec

from kit.ledger_rows import overwrite
from kit.orchestration import TENANT, Stack
from kit.tenants import disable
from kit.waiting import eventually
from visapi_engine.schedule.decisions import Schedule
from visapi_orchestrator.upkeep.levels import COUNTED_MAX
from visapi_orchestrator.upkeep.store.levels import PostgresLevels

QUEUES = {
    "pending_runs",
    "inbox",
    "held_tasks",
    "due_timers",
    "due_schedules",
    "events_to_match",
    "events_to_publish",
    "dead_letters",
}
PLANTED = {
    "inbox": "insert into inbox (run, key, tenant, kind, body, created_at)"
    " select gen_random_uuid(), 'k', 'default', 'cancel', '\\x7b7d', now() - interval '90 s'",
    "due_timers": "insert into timers (run, id, fire_at, due_at)"
    " select gen_random_uuid(), 't', now() - interval '90 s', now() - interval '90 s'",
    "events_to_match": "insert into events_in (tenant, source, id, type, body, received_at)"
    " select 'default', '/s', gen_random_uuid()::text, 't', '\\x7b7d', now() - interval '90 s'",
    "dead_letters": "insert into dead_letters (id, tenant, service, reason, detail, created_at)"
    " select gen_random_uuid(), 'default', 'orchestrator', 'poison', 'd', now() - interval '90 s'",
}


async def test_each_queue_is_counted_with_the_age_of_its_oldest_row(stack: Stack):
    levels = PostgresLevels(stack.gateway.pool)
    before = {level.queue: level for level in await levels.queues(COUNTED_MAX)}
    assert set(before) == QUEUES
    assert {level.waiting for level in before.values()} == {0}
    for statement in PLANTED.values():
        await stack.gateway.pool.execute(f"{statement} from generate_series(1, 3)")
    after = {level.queue: level for level in await levels.queues(2)}
    for queue, level in after.items():
        assert level.waiting == (2 if queue in PLANTED else 0), queue
        assert (90 <= level.oldest_s < 150) == (queue in PLANTED), queue


async def test_the_orchestrator_reports_queues_streams_and_the_size_of_the_database(stack: Stack):
    async with stack.orchestrator() as lifecycle:
        read = lifecycle.metrics.registry.get_sample_value
        assert await eventually(lambda: read("visapi_ledger_waiting", {"queue": "inbox"}) == 0)
        assert await eventually(lambda: read("visapi_stream_messages", {"stream": "ENGINE"}) is not None)
        assert (read("visapi_database_bytes") or 0) > 1_000_000
        assert (read("visapi_wal_position_bytes") or 0) > 0


async def test_runs_that_wait_for_their_limits_and_schedules_of_a_disabled_tenant_are_not_late(stack: Stack):
    gateway = stack.gateway
    await gateway.deploy("quick", "do: [{s: {set: {at: 1}}}]")
    queued, late = await gateway.start("quick"), await gateway.start("quick")
    await overwrite(gateway.pool, "runs", {"id": queued}, sweep_at=datetime.max)  # noqa: DTZ901 (infinity)
    ref, program = gateway.deployed("quick")
    version = (TENANT, ref.namespace, ref.name, ref.version, bytes.fromhex(program))
    await gateway.rows.put_schedule(
        gateway.ids.uuid7(), version, msgspec.json.encode(Schedule(every_ms=1000))
    )
    await overwrite(gateway.pool, "schedules", {}, next_at=datetime.now(UTC) - timedelta(hours=1))

    async def waiting() -> dict[str, int]:
        return {level.queue: level.waiting for level in await PostgresLevels(gateway.pool).queues(10)}

    first = await waiting()
    assert (first["pending_runs"], first["due_schedules"]) == (1, 1), late
    await disable(gateway.pool, TENANT)
    assert (await waiting())["due_schedules"] == 0
