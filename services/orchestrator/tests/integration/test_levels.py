"""What waits is reported, with its age, while nothing takes it; and is zero afterwards."""

from kit.orchestration import Stack
from kit.waiting import eventually
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
