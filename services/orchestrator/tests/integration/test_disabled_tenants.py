"""A tenant that is disabled: nothing starts for it, what is open goes on, and it is taken up again."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.ledger_rows import full_of_messages, plant
from kit.orchestration import TENANT, Stack, completed, eventually, output_of
from kit.tenants import add_tenants, disable, enable
from visapi_common.contracts import subjects
from visapi_common.core.errors import Fault
from visapi_engine.schedule.decisions import Schedule
from visapi_orchestrator.events.set_aside_messages import BYTES_MAX

QUICK = "do: [{s: {set: {at: 1}}}]"
LISTEN = "do: [{hear: {listen: {to: {one: {with: {type: paid}}}}}}]"
OTHER = "bystander"


async def disabled(stack: Stack, tenant: str = TENANT) -> None:
    await disable(stack.gateway.pool, tenant)


async def enabled(stack: Stack, tenant: str = TENANT) -> None:
    await enable(stack.gateway.pool, tenant)


@pytest.fixture
async def bystander(stack: Stack) -> str:
    await add_tenants(stack.gateway.pool, OTHER)
    return OTHER


async def scheduled(stack: Stack, name: str, tenant: str, **spec: Any) -> UUID:
    identity = stack.gateway.ids.uuid7()
    ref, program = stack.gateway.deployed(name)
    version = (tenant, ref.namespace, ref.name, ref.version, bytes.fromhex(program))
    await stack.gateway.rows.put_schedule(identity, version, msgspec.json.encode(Schedule(**spec)))
    return identity


async def started(stack: Stack, schedule: UUID) -> list[datetime]:
    query = "select fire_at from schedule_fires where schedule = $1 and outcome = 'started' order by 1"
    return [row["fire_at"] for row in await stack.gateway.pool.fetch(query, schedule)]


def paid(number: str) -> dict[str, Any]:
    return {"specversion": "1.0", "id": number, "source": "/shop", "type": "paid", "data": {"n": number}}


async def published(stack: Stack, tenant: str, number: str) -> None:
    """As a producer does, on the stream."""
    await stack.gateway.bus.publish_acked(subjects.event(tenant, "paid"), msgspec.json.encode(paid(number)))


async def listening(stack: Stack, name: str, tenant: str) -> UUID:
    run = await stack.gateway.start(name, tenant=tenant)
    await eventually(lambda: stack.gateway.count("subscriptions", run))
    return run


async def quiet(stack: Stack, name: str) -> UUID:
    """A run as the one that listens for the events of a schedule."""
    ref, program = stack.gateway.deployed(name)
    body = await stack.gateway.pool.fetchval(
        "select body from programs where hash = $1", bytes.fromhex(program)
    )
    run = stack.gateway.ids.uuid7()
    await stack.gateway.rows.put_listener(run, (TENANT, ref.namespace, ref.name, ref.version), body)
    return run


async def published_by_runs(stack: Stack) -> bool:
    return (
        await stack.gateway.pool.fetchval("select count(*) from events_in where published_at is not null") > 0
    )


async def test_its_schedules_wait_and_go_on_when_it_is_enabled(stack: Stack, bystander: str):
    await stack.gateway.deploy("mine", QUICK)
    await stack.gateway.deploy("theirs", QUICK, tenant=bystander)
    async with stack.orchestrator():
        await disabled(stack)
        mine = await scheduled(stack, "mine", TENANT, every_ms=1000, catch_up="none")
        theirs = await scheduled(stack, "theirs", bystander, every_ms=1000)

        async def fired() -> bool:
            return len(await started(stack, theirs)) >= 2

        await eventually(fired)
        assert await started(stack, mine) == []
        await enabled(stack)
        fires = await eventually(lambda: started(stack, mine))
        assert len(set(fires)) == len(fires)


async def test_events_of_its_producers_are_set_aside_and_heard_when_they_are_replayed(
    stack: Stack, bystander: str
):
    await stack.gateway.deploy("mine", LISTEN)
    await stack.gateway.deploy("theirs", LISTEN, tenant=bystander)
    async with stack.orchestrator():
        mine, theirs = await listening(stack, "mine", TENANT), await listening(stack, "theirs", bystander)
        await disabled(stack)
        await published(stack, TENANT, "1")
        await published(stack, bystander, "2")
        assert output_of(await stack.gateway.ended(theirs)) == [{"n": "2"}]
        letter = await eventually(
            lambda: stack.gateway.pool.fetchrow(
                "select id, detail from dead_letters where tenant = $1 and reason = 'bad-event'", TENANT
            )
        )
        assert "is disabled; replay this event when it is enabled" in letter["detail"]
        assert await stack.gateway.status(mine) == "waiting"
        assert (
            await stack.gateway.pool.fetchval("select count(*) from events_in where tenant = $1", TENANT) == 0
        )

        await enabled(stack)
        await stack.gateway.rows.replay(letter["id"], TENANT)
        assert output_of(await stack.gateway.ended(mine)) == [{"n": "1"}]


async def test_a_flood_for_a_disabled_tenant_leaves_a_bounded_number_of_dead_letters_and_is_refused(
    stack: Stack, bystander: str
):
    await stack.gateway.deploy("theirs", LISTEN, tenant=bystander)
    await disabled(stack)
    size = len(msgspec.json.encode(paid("flood-0")))
    await plant(stack.gateway.pool, "dead_letters", **full_of_messages(TENANT, room=2 * size + size // 2))
    kept = "select count(*) from dead_letters where tenant = $1"
    async with stack.orchestrator() as lifecycle:
        theirs = await listening(stack, "theirs", bystander)
        for number in range(5):
            await published(stack, TENANT, f"flood-{number}")

        async def refused() -> bool:
            try:
                await published(stack, TENANT, "refused?")
            except Fault:
                return True
            return False

        await eventually(refused)
        await published(stack, bystander, "heard")
        assert output_of(await stack.gateway.ended(theirs)) == [{"n": "heard"}]
        assert await stack.gateway.pool.fetchval(kept, TENANT) == 3
        dropped = lifecycle.metrics.registry.get_sample_value(
            "visapi_events_dropped_total", {"reason": "disabled"}
        )
        assert dropped is not None
        assert dropped >= 3

        await enabled(stack)

        async def admitted() -> bool:
            return not await refused()

        await eventually(admitted)


async def test_of_messages_that_are_no_events_a_bounded_number_is_kept_and_events_are_heard(stack: Stack):
    await stack.gateway.deploy("mine", LISTEN)
    await plant(stack.gateway.pool, "dead_letters", **full_of_messages(TENANT, room=100))
    async with stack.orchestrator() as lifecycle:
        mine = await listening(stack, "mine", TENANT)
        for size in (60, 80, 70):
            await stack.gateway.bus.publish_acked(subjects.event(TENANT, "paid"), b"{" * size)
        await published(stack, TENANT, "1")
        assert output_of(await stack.gateway.ended(mine)) == [{"n": "1"}]
        bodies = "select octet_length(body) as size from dead_letters where tenant = $1 order by size"
        rows = await stack.gateway.pool.fetch(bodies, TENANT)
        assert [row["size"] for row in rows] == [60, BYTES_MAX - 100]
        assert (
            lifecycle.metrics.registry.get_sample_value(
                "visapi_events_dropped_total", {"reason": "unreadable"}
            )
            == 2
        )


async def test_what_is_open_goes_on_to_its_end_and_is_heard_by_its_own_but_starts_nothing(stack: Stack):
    await stack.gateway.deploy("waits", LISTEN)
    await stack.gateway.deploy("starts", LISTEN)
    await stack.gateway.deploy(
        "works", "do: [{a: {call: acme.a}}, {tell: {emit: {event: {with: {type: paid, data: {n: own}}}}}}]"
    )
    listener = await quiet(stack, "starts")
    async with stack.orchestrator():
        await eventually(lambda: stack.gateway.count("subscriptions", listener))
        waits = await listening(stack, "waits", TENANT)
        works = await stack.gateway.start("works")
        await eventually(lambda: stack.gateway.count("tasks", works))
        await disabled(stack)
        await stack.worker("acme.a", answer=completed)
        assert (await stack.gateway.ended(works))["status"] == "completed"
        assert output_of(await stack.gateway.ended(waits)) == [{"n": "own"}]
        await eventually(lambda: published_by_runs(stack))
        heard = "select count(*) from inbox where run = $1"
        assert await stack.gateway.pool.fetchval(heard, listener) == 0
        assert await stack.gateway.status(listener) == "waiting"

        await enabled(stack)
        await stack.gateway.rows.put_events(TENANT, paid("later"))
        assert output_of(await stack.gateway.ended(listener)) == [{"n": "later"}]
        # The emitted event came back from the stream and was there already.
        assert await stack.gateway.pool.fetchval("select count(*) from dead_letters") == 0


async def test_what_was_accepted_before_starts_although_nobody_ran_then(stack: Stack):
    """An event and a run were accepted; the tenant is disabled before an orchestrator looks at them."""
    await stack.gateway.deploy("starts", LISTEN)
    await stack.gateway.deploy("quick", QUICK)
    listener = await quiet(stack, "starts")
    async with stack.orchestrator():
        await eventually(lambda: stack.gateway.count("subscriptions", listener))
    await stack.gateway.rows.put_events(TENANT, paid("before"))
    run = await stack.gateway.start("quick", announce=False)
    await disabled(stack)
    async with stack.orchestrator():
        assert output_of(await stack.gateway.ended(listener)) == [{"n": "before"}]
        assert (await stack.gateway.ended(run))["status"] == "completed"
