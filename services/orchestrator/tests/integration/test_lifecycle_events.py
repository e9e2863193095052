"""What happens to runs, told to the world as the specification's lifecycle events, on real servers."""

import asyncio
from base64 import b64decode
from collections.abc import Sequence
from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from kit.fakes.nats import FakeLifecycleStream
from kit.ledger_rows import overwrite, plant_all
from kit.orchestration import TENANT, Stack, eventually, output_of
from kit.tenants import add_tenants
from visapi_common.adapters.clock import RandomIds
from visapi_common.contracts import subjects
from visapi_common.core.errors import Fault, UnknownFault
from visapi_orchestrator.events.lifecycle_relay import LifecycleStream
from visapi_orchestrator.events.rules.lifecycle import LifecycleEvent
from visapi_orchestrator.events.store.lifecycle import _SQL as LIFECYCLE_SQL

STEPS = "do: [{one: {call: acme.one}}, {two: {if: '${ false }', set: {n: 1}}}, {three: {set: {done: true}}}]"
QUICK = "do: [{s: {set: {n: 1}}}]"
FAILING = "do: [{f: {raise: {error: {type: 'https://example.com/bad', status: 500}}}}]"
ON = "schedule: {on: {one: {with: {type: paid}}}}\ndo: [{took: {set: {n: 1}}}]"
OTHER = "bystander"
FAULTED = "io.serverlessworkflow.workflow.faulted.v1"
COMPLETED = "io.serverlessworkflow.workflow.completed.v1"
THEIRS = f"{{type: {COMPLETED}, source: /workflows/test/theirs}}"
HEARS = f"do: [{{hear: {{listen: {{to: {{one: {{with: {THEIRS}}}}}, read: envelope}}}}}}]"


async def stored(stack: Stack) -> list[dict[str, Any]]:
    """Everything in the stream, in order."""
    found: list[dict[str, Any]] = []
    seq = 1
    while True:
        question = msgspec.json.encode({"seq": seq, "next_by_subj": subjects.LIFECYCLE_ALL})
        answer = await stack.gateway.bus.request("$JS.API.STREAM.MSG.GET.LIFECYCLE", question, 2.0)
        message = msgspec.json.decode(answer.data).get("message")
        if message is None:
            return found
        body = msgspec.json.decode(b64decode(message["data"]))
        assert message["subject"] == subjects.lifecycle(TENANT, body["type"])
        found.append(body)
        seq = message["seq"] + 1


async def told_of(stack: Stack, run: UUID, last: str = COMPLETED) -> list[dict[str, Any]]:
    """The events of a run, once its last is there."""

    async def there() -> list[dict[str, Any]] | None:
        try:
            events = [event for event in await stored(stack) if event["subject"] == str(run)]
        except Fault:
            return None
        return events if any(event["type"] == last for event in events) else None

    return await eventually(there)


async def should_be_told(stack: Stack, run: UUID, *, tasks: bool = True) -> list[str]:
    """Ids and types by the run's history, in order."""
    return [
        f"{run}:{item['seq']} io.serverlessworkflow.{item['type']}.v1"
        for item in await stack.gateway.history(run)
        if item["type"] != "task.skipped" and (tasks or item["type"].startswith("workflow."))
    ]


def told(events: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{event['id']} {event['type']}" for event in events]


async def test_every_item_of_a_history_has_its_event_in_order(stack: Stack):
    await stack.gateway.deploy("steps", STEPS)
    await stack.gateway.deploy("failing", FAILING)
    async with stack.orchestrator(lifecycle_events="all"):
        await stack.worker("acme.one")
        runs = [await stack.gateway.start("steps", {"n": n}) for n in range(30)]
        failed = await stack.gateway.start("failing")
        for run in runs:
            await stack.gateway.ended(run)
            events = await told_of(stack, run)
            assert told(events) == await should_be_told(stack, run)
        events = await told_of(stack, failed, FAULTED)
        assert told(events) == await should_be_told(stack, failed)
        assert events[-1]["data"]["error"]["type"] == "https://example.com/bad"


async def test_by_default_tasks_are_not_told(stack: Stack):
    await stack.gateway.deploy("steps", STEPS)
    async with stack.orchestrator():
        await stack.worker("acme.one")
        run = await stack.gateway.start("steps")
        assert told(await told_of(stack, run)) == await should_be_told(stack, run, tasks=False)


def deaf(_: LifecycleStream) -> LifecycleStream:
    """A stream that takes nothing, as one that is away."""
    stream = FakeLifecycleStream()
    stream.faults.hold("publish")
    return stream


async def test_what_was_committed_before_an_orchestrator_died_is_told_by_the_next(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator(lifecycle_events="all", around_lifecycle=deaf):
        runs = [await stack.gateway.start("quick") for _ in range(20)]
        for run in runs:
            await stack.gateway.ended(run)
        assert await stored(stack) == []
    async with stack.orchestrator(lifecycle_events="all"):
        for run in runs:
            assert told(await told_of(stack, run)) == await should_be_told(stack, run)


class Forgetful:
    """Publishes, and is then taken for dead once: its answer is lost."""

    def __init__(self, inner: LifecycleStream) -> None:
        self._inner = inner
        self.how: list[bool] = []

    async def publish(self, events: Sequence[LifecycleEvent], *, singly: bool) -> None:
        await self._inner.publish(events, singly=singly)
        self.how.append(singly)
        if len(self.how) == 1:
            raise UnknownFault("the answer was lost")


async def test_what_was_published_before_the_mark_moved_is_told_again_and_stored_once(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    streams: list[Forgetful] = []

    def around(inner: LifecycleStream) -> Forgetful:
        streams.append(Forgetful(inner))
        return streams[-1]

    async with stack.orchestrator(lifecycle_events="all", around_lifecycle=around):
        run = await stack.gateway.start("quick")
        await eventually(lambda: settled(streams[0]))
        assert streams[0].how[:2] == [False, True]
        assert told(await told_of(stack, run)) == await should_be_told(stack, run)


async def settled(stream: Forgetful) -> bool:
    return len(stream.how) > 1


async def test_a_lost_message_refuses_those_after_it(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator(lifecycle_events="all"):
        await told_of(stack, await stack.gateway.start("quick"))
        message = {"Nats-Msg-Id": "x:3", "Nats-Expected-Last-Msg-Id": "x:2"}
        refused = None
        try:
            await stack.gateway.bus.publish_acked(subjects.lifecycle(TENANT, "x"), b"{}", headers=message)
        except Fault as fault:
            refused = str(fault)
        assert refused is not None
        assert "wrong last msg ID" in refused


async def test_nats_may_be_lost_with_everything_in_it(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator(lifecycle_events="all"):
        await told_of(stack, await stack.gateway.start("quick"))
        await asyncio.to_thread(stack.nats.kill)
        during = [await stack.gateway.start("quick", announce=False) for _ in range(5)]
        for run in during:
            await stack.gateway.ended(run)
        await asyncio.to_thread(stack.nats.restart, wiped=True)
        for run in during:
            assert told(await told_of(stack, run)) == await should_be_told(stack, run)


async def test_two_orchestrators_tell_each_event_once_and_in_order(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with (
        stack.orchestrator(lifecycle_events="all"),
        stack.orchestrator(lifecycle_events="all"),
    ):
        runs = [await stack.gateway.start("quick") for _ in range(40)]
        for run in runs:
            await stack.gateway.ended(run)
        for run in runs:
            assert told(await told_of(stack, run)) == await should_be_told(stack, run)


async def test_where_nobody_wants_to_know_nothing_is_told_later_either(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator(lifecycle_events="none"):
        await stack.gateway.ended(await stack.gateway.start("quick"))
    async with stack.orchestrator(lifecycle_events="none"):
        mark = "select xid > (select max(xid) from history) from lifecycle_relay"
        await eventually(lambda: stack.gateway.pool.fetchval(mark))
    async with stack.orchestrator():
        later = await stack.gateway.start("quick")
        await told_of(stack, later)
        assert {event["subject"] for event in await stored(stack)} == {str(later)}


async def listening(stack: Stack, name: str, kind: str, until: int) -> UUID:
    await stack.gateway.deploy(
        name,
        f"do: [{{hear: {{listen: {{to: {{any: [{{with: {{type: {kind}}}}}],"
        f" until: '( . | length ) == {until}'}}, read: envelope}}}}}}]",
    )
    run = await stack.gateway.start(name)
    await eventually(lambda: stack.gateway.count("subscriptions", run))
    return run


async def test_a_workflow_hears_what_happens_to_the_runs_of_others(stack: Stack):
    await stack.gateway.deploy("failing", FAILING)
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator():
        watching = await listening(stack, "watching", FAULTED, 2)
        await stack.gateway.ended(await stack.gateway.start("quick"))
        failed = [await stack.gateway.start("failing") for _ in range(2)]
        heard = output_of(await stack.gateway.ended(watching))
        assert sorted(event["subject"] for event in heard) == sorted(str(run) for run in failed)
        assert {event["source"] for event in heard} == {"/workflows/test/failing"}


async def test_a_run_hears_neither_itself_nor_its_children(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    started = "io.serverlessworkflow.workflow.started.v1"
    await stack.gateway.deploy(
        "parent",
        f"do: [{{hear: {{listen: {{to: {{any: [{{with: {{type: {started}}}}}],"
        " until: '( . | length ) == 2'}, read: envelope}, foreach: {item: e, do: [{sub: {run: {workflow:"
        " {namespace: test, name: quick, version: '1.0.0'}}}}]}}}]",
    )
    async with stack.orchestrator():
        parent = await stack.gateway.start("parent")
        await eventually(lambda: stack.gateway.count("subscriptions", parent))
        others = []
        for _ in range(2):
            others.append(await stack.gateway.start("quick"))
            await told_of(stack, others[-1])
        assert (await stack.gateway.ended(parent))["status"] == "completed"
        children = await stack.gateway.pool.fetchval(
            "select count(*) from runs_done where parent = $1", parent
        )
        assert children == 2


async def test_runs_that_an_event_started_are_told_to_the_world_but_to_no_workflow(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator():
        watching = await listening(stack, "watching", COMPLETED, 1)
        listener = await listening(stack, "listener", "never", 1)
        await overwrite(stack.gateway.pool, "runs", {"id": listener}, quiet=True)
        trigger = stack.gateway.trigger("quick")
        await stack.gateway.accept(trigger)
        await overwrite(stack.gateway.pool, "runs", {"id": trigger.run}, parent=listener)
        stack.gateway.announce(trigger)
        await told_of(stack, trigger.run)
        other = await stack.gateway.start("quick")
        heard = output_of(await stack.gateway.ended(watching))
        assert [event["subject"] for event in heard] == [str(other)]


async def test_a_tenant_that_deploys_without_end_delays_no_lifecycle_event_of_another(stack: Stack):
    await add_tenants(stack.gateway.pool, OTHER)
    await stack.gateway.deploy("theirs", QUICK, tenant=OTHER)
    await stack.gateway.deploy("hears", HEARS, tenant=OTHER)
    await stack.gateway.deploy("mine", QUICK)
    numbers, over = count(1), asyncio.Event()

    async def deploys(name: str) -> None:
        """Each deployment replaces a listener, and excludes the relay for as long as it takes."""
        while not over.is_set():
            version, listener = f"1.0.{next(numbers)}", stack.gateway.ids.uuid7()
            await stack.gateway.deploy(name, ON, version=version, listener=listener)

    async with stack.orchestrator() as lifecycle:
        await eventually(lambda: lifecycle.readiness.ready)
        looping = [asyncio.create_task(deploys(name)) for name in ("shop", "shop", "shop", "till")]
        lags: list[float] = []
        for _ in range(4):
            hears = await stack.gateway.start("hears", tenant=OTHER)
            await eventually(lambda hears=hears: stack.gateway.count("subscriptions", hears))
            mine = await stack.gateway.start("mine")
            theirs = await stack.gateway.start("theirs", tenant=OTHER)
            await stack.gateway.ended(theirs)
            began = asyncio.get_running_loop().time()
            heard = output_of(await stack.gateway.ended(hears))
            lags.append(asyncio.get_running_loop().time() - began)
            assert [event["subject"] for event in heard] == [str(theirs)]
            await stack.gateway.ended(mine)
        over.set()
        await asyncio.gather(*looping)
    print(f"{next(numbers) - 1} deployments; lifecycle events heard after {sorted(lags)} s")
    assert next(numbers) > 20, "the attack did not take place"
    assert max(lags) < 5


async def test_the_next_rows_are_found_by_an_index_however_much_history_there_is(stack: Stack):
    await stack.gateway.deploy("quick", QUICK)
    async with stack.orchestrator():
        await told_of(stack, await stack.gateway.start("quick"))
    pool, ids = stack.gateway.pool, RandomIds()
    item = {"first_seq": 1, "last_seq": 1, "tenant": TENANT, "items": b"[]"}
    await plant_all(pool, "history", [{"run": ids.uuid7(), **item} for _ in range(5000)])
    told = await pool.fetchval("select pg_snapshot_xmin(pg_current_snapshot())")
    await overwrite(pool, "lifecycle_relay", {}, xid=told)
    await pool.execute("analyze history")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local plan_cache_mode = force_generic_plan")
        await connection.execute(f"prepare q as {LIFECYCLE_SQL['read_history']}")
        plan = "\n".join(
            row["QUERY PLAN"]
            for row in await connection.fetch("explain (analyze, costs off) execute q(512, false)")
        )
        await connection.execute("deallocate q")
    assert "Seq Scan on history" not in plan, plan
    assert "_xid_idx" in plan, plan
    assert "Rows Removed" not in plan, plan
