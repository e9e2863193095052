"""Schedules on a real ledger: fired once each, whoever looks and whatever the clock does."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec

from kit.ledger_rows import overwrite
from kit.orchestration import TENANT, Stack, eventually, output_of
from visapi_engine.schedule.decisions import Schedule
from visapi_orchestrator.timing.rules.scheduling import FULL_POLL, Due, decide

QUICK = "do: [{s: {set: {at: '${ $workflow.input }'}}}]"
SLOW = "do: [{w: {wait: {minutes: 10}}}]"


async def schedule(stack: Stack, workflow: str, spec: Schedule, **columns: Any) -> UUID:
    """As the gateway does at deployment; `columns` move its times."""
    identity = stack.gateway.ids.uuid7()
    ref, program = stack.gateway.deployed(workflow)
    version = (TENANT, ref.namespace, columns.pop("name", ref.name), ref.version, bytes.fromhex(program))
    await stack.gateway.rows.put_schedule(identity, version, msgspec.json.encode(spec))
    # How long ago it fired last, and since when it counts, no test can wait for.
    if columns:
        await overwrite(stack.gateway.pool, "schedules", {"id": identity}, **columns)
    return identity


async def fires(stack: Stack, identity: UUID) -> list[tuple[datetime, str]]:
    rows = await stack.gateway.pool.fetch(
        "select fire_at, outcome from schedule_fires where schedule = $1 order by fire_at", identity
    )
    return [(row["fire_at"], row["outcome"]) for row in rows]


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


async def test_every_second_a_run_is_started_with_its_input_and_each_fire_once(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator(), stack.orchestrator():
        identity = await schedule(stack, "quick", Schedule(every_ms=1000, input={"n": 1}))
        rows = await eventually(
            lambda: _at_least(stack, "select * from runs_done where schedule = $1", identity, 3)
        )
        assert [output_of(row) for row in rows[:3]] == [{"at": {"n": 1}}] * 3
        decided = await fires(stack, identity)
        assert len({fire for fire, _ in decided}) == len(decided)
        assert {outcome for _, outcome in decided} == {"started"}
        assert {row["fire_at"] for row in rows} <= {fire for fire, _ in decided}


async def _at_least(stack: Stack, query: str, identity: UUID, count: int) -> list[Any]:
    rows = await stack.gateway.pool.fetch(query, identity)
    return rows if len(rows) >= count else []


async def _decided(stack: Stack, identity: UUID, count: int) -> list[tuple[datetime, str]]:
    return await eventually(lambda: _enough(stack, identity, count))


async def _enough(stack: Stack, identity: UUID, count: int) -> list[tuple[datetime, str]]:
    found = await fires(stack, identity)
    return found if len(found) >= count else []


async def test_after_downtime_the_policy_decides_what_is_caught_up(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    hourly = "0 * * * *"
    five = ago(hours=5, minutes=1)
    ids = {
        policy: await schedule(
            stack, "quick", Schedule(cron=hourly, catch_up=policy), last_fire=five, name=policy
        )
        for policy in ("none", "latest", "all")
    }
    windowed = await schedule(
        stack,
        "quick",
        Schedule(cron=hourly, catch_up="all", window_ms=7_200_000),
        last_fire=five,
        name="window",
    )
    async with stack.orchestrator():
        outcomes = {
            policy: [o for _, o in await _decided(stack, identity, 5)] for policy, identity in ids.items()
        }
        near = [outcome for _, outcome in await _decided(stack, windowed, 5)]
    started = {policy: outcomes[policy].count("started") for policy in outcomes}
    # Within a minute past the hour one fire is on time, whatever the policy.
    assert started["none"] in (0, 1)
    assert started["latest"] == 1
    assert started["all"] == len(outcomes["all"]) >= 5
    assert near.count("started") in (2, 3)


async def test_overlap_decides_what_happens_while_a_run_goes_on(stack: Stack):
    await stack.gateway.deploy("slow", SLOW)
    async with stack.orchestrator():
        skipping = await schedule(stack, "slow", Schedule(every_ms=1000, overlap="skip"), name="skip")
        replacing = await schedule(
            stack, "slow", Schedule(every_ms=1000, overlap="cancel-previous"), name="replace"
        )
        buffering = await schedule(
            stack, "slow", Schedule(every_ms=1000, overlap="buffer-one"), name="buffer"
        )
        seen = [outcome for _, outcome in await _decided(stack, skipping, 3)]
        assert seen[:3] == ["started", "skipped", "skipped"]
        cancelled = await eventually(
            lambda: stack.gateway.pool.fetchval(
                "select count(*) from runs_done where schedule = $1 and status = 'cancelled'", replacing
            )
        )
        assert cancelled >= 1
        await eventually(
            lambda: stack.gateway.pool.fetchval("select buffered from schedules where id = $1", buffering)
        )
        live = "select id from runs where schedule = $1"
        (first,) = [row["id"] for row in await stack.gateway.pool.fetch(live, buffering)]
        await stack.gateway.tell(first, "cancel")
        await stack.gateway.ended(first)
        await eventually(lambda: stack.gateway.pool.fetchval(live, buffering))


async def test_after_a_run_has_ended_the_next_one_waits_its_time(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator():
        identity = await schedule(stack, "quick", Schedule(after_ms=1500))
        rows = await eventually(
            lambda: _at_least(
                stack, "select * from runs_done where schedule = $1 order by created_at", identity, 2
            )
        )
        assert rows[1]["fire_at"] - rows[0]["ended_at"] == timedelta(milliseconds=1500)


async def test_a_clock_that_steps_back_fires_nothing_twice(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    identity = await schedule(
        stack,
        "quick",
        Schedule(every_ms=60_000, catch_up="all"),
        anchor=ago(minutes=10),
        last_fire=ago(minutes=5),
    )
    async with stack.orchestrator():
        before = await _decided(stack, identity, 4)
        await overwrite(
            stack.gateway.pool,
            "schedules",
            {"id": identity},
            last_fire=ago(minutes=5),
            next_at=ago(minutes=0),
        )
        await eventually(
            lambda: stack.gateway.pool.fetchval(
                "select last_fire > now() - interval '2 minutes' from schedules where id = $1", identity
            )
        )
        runs = await stack.gateway.pool.fetchval(
            "select count(*) from runs_done where schedule = $1", identity
        )
        assert runs <= len(before) + 1


async def test_a_paused_schedule_does_nothing(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator():
        identity = await schedule(stack, "quick", Schedule(every_ms=1000), paused=True)
        other = await schedule(stack, "quick", Schedule(every_ms=1000), name="other")
        await _decided(stack, other, 2)
        assert await fires(stack, identity) == []


async def test_fires_of_a_tenant_that_is_full_wait_and_run_when_there_is_room(stack: Stack):
    await stack.gateway.deploy("slow", SLOW)
    await stack.gateway.deploy("quick", QUICK)
    pool = stack.gateway.pool
    async with stack.orchestrator(tenant_open_runs_max=1):
        blocking = await stack.gateway.start("slow")
        await eventually(lambda: pool.fetchval("select open >= open_max from open_runs"))
        identity = await schedule(stack, "quick", Schedule(every_ms=1000, catch_up="all"))
        waits = (
            "select last_fire < now() - interval '1 second' and next_at > now() from schedules where id = $1"
        )
        await eventually(lambda: pool.fetchval(waits, identity))
        assert await fires(stack, identity) == []
        await stack.gateway.tell(blocking, "cancel")
        decided = await eventually(lambda: _enough(stack, identity, 3))
        assert {outcome for _, outcome in decided} == {"started"}
        apart = [(later - sooner).total_seconds() for (sooner, _), (later, _) in pairwise(decided)]
        assert set(apart) == {1.0}, "no fire is left out"


NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def due(spec: Schedule, *, last: datetime, full: bool = True, **more: Any) -> Due:
    return Due(
        id=UUID(int=1), tenant=TENANT, namespace="n", name="w", version="1.0.0", program=b"", spec=spec,
        anchor=NOW - timedelta(days=1), last_fire=last, last_run=more.pop("last_run", None),
        buffered=more.pop("buffered", None), now=NOW, live=more.pop("live", 0), full=full, **more,
    )  # fmt: skip


def test_a_fire_waits_while_its_tenant_is_full_and_what_is_too_old_is_missed():
    minutely = Schedule(every_ms=60_000)
    waiting = decide(due(minutely, last=NOW - timedelta(minutes=10)))
    assert waiting.start == []
    assert waiting.missed == [NOW - timedelta(minutes=m) for m in range(9, 1, -1)]
    assert waiting.last_fire == NOW - timedelta(minutes=2)
    assert waiting.next_look == NOW + FULL_POLL
    all_of_them = decide(due(Schedule(every_ms=60_000, catch_up="all"), last=NOW - timedelta(minutes=10)))
    assert (all_of_them.missed, all_of_them.last_fire) == ([], NOW - timedelta(minutes=10))
    roomy = decide(due(minutely, last=waiting.last_fire, full=False))
    assert roomy.start == [NOW - timedelta(minutes=1), NOW]


def test_what_starts_nothing_goes_on_while_its_tenant_is_full():
    skipping = decide(due(Schedule(every_ms=60_000, overlap="skip"), last=NOW - timedelta(minutes=1), live=1))
    assert (skipping.skipped, skipping.last_fire) == ([NOW], NOW)
    buffered = NOW - timedelta(minutes=5)
    kept = decide(due(Schedule(every_ms=60_000, overlap="buffer-one"), last=NOW, buffered=buffered))
    assert (kept.start, kept.buffered) == ([], buffered)
    following = decide(due(Schedule(after_ms=1000), last=NOW - timedelta(minutes=1)))
    assert (following.start, following.next_look) == ([], NOW + FULL_POLL)
