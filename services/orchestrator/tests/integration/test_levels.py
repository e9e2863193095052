"""What waits is reported, with its age, while nothing takes it; and is zero afterwards."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec

from kit.ledger_rows import overwrite, plant
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
AGO = timedelta(seconds=90)


def planted(at: datetime) -> dict[str, tuple[str, dict[str, object]]]:
    """A row of each queue that waits since then, by the name of the queue: its table and its columns."""
    run, name = uuid4(), str(uuid4())
    inbox = {"run": run, "key": "k", "tenant": TENANT, "kind": "cancel", "body": b"{}", "created_at": at}
    event = {"tenant": TENANT, "source": "/s", "id": name, "type": "t", "body": b"{}", "received_at": at}
    letter = {"id": run, "tenant": TENANT, "service": "orchestrator", "reason": "poison", "detail": "d"}
    return {
        "inbox": ("inbox", inbox),
        "due_timers": ("timers", {"run": run, "id": "t", "fire_at": at, "due_at": at}),
        "events_to_match": ("events_in", event),
        "dead_letters": ("dead_letters", {**letter, "created_at": at}),
    }


async def test_each_queue_is_counted_with_the_age_of_its_oldest_row(stack: Stack):
    levels = PostgresLevels(stack.gateway.pool)
    before = {level.queue: level for level in await levels.queues(COUNTED_MAX)}
    assert set(before) == QUEUES
    assert {level.waiting for level in before.values()} == {0}
    at = datetime.now(UTC) - AGO
    for _ in range(3):
        for table, columns in planted(at).values():
            await plant(stack.gateway.pool, table, **columns)
    after = {level.queue: level for level in await levels.queues(2)}
    for queue, level in after.items():
        assert level.waiting == (2 if queue in planted(at) else 0), queue
        assert (90 <= level.oldest_s < 150) == (queue in planted(at)), queue


async def test_the_orchestrator_reports_queues_streams_and_the_size_of_the_database(stack: Stack):
    now = datetime.now(UTC)
    erasure = {"tenant": TENANT, "requested_by": "key:a", "reason": "r", "requested_at": now - AGO}
    await plant(stack.gateway.pool, "tenant_erasures", **erasure, next_at=now + timedelta(hours=1))
    async with stack.orchestrator() as lifecycle:
        read = lifecycle.metrics.registry.get_sample_value
        assert await eventually(lambda: read("visapi_tenant_erasures_unfinished") == 1)
        assert (read("visapi_tenant_erasures_oldest_seconds") or 0) >= 90
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
