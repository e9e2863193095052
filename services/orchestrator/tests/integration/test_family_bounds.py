"""Families of runs are bounded, and end with their root, on real servers."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.orchestration import Stack, eventually, output_of
from visapi.admin.tenant_rates import TenantRate, set_tenant_rate

RUN = "{run: {%sworkflow: {namespace: test, name: breed, version: '1.0.0'}}}"
WORK = "{work: {call: acme.echo}}"


def breeding(await_: bool, times: int = 2) -> str:
    """A workflow that starts itself so many times and then works."""
    more = "" if await_ else "await: false, "
    if not await_:
        steps = [f"{{r{n}: {RUN % more}}}" for n in range(times)]
        return f"do: [{', '.join(steps)}, {WORK}]"
    branches = ", ".join(f"{{r{n}: {RUN % more}}}" for n in range(times))
    return f"do: [{{both: {{fork: {{branches: [{branches}, {WORK}]}}}}}}]"


async def family(stack: Stack, root: UUID) -> int:
    return await stack.gateway.pool.fetchval("select count(*) from runs where root = $1", root)


def error_of(row: Any) -> dict[str, Any]:
    return msgspec.json.decode(row["error"])


async def test_a_run_below_the_greatest_depth_faults_and_says_so(stack: Stack):
    await stack.gateway.deploy("breed", f"do: [{{r: {RUN % ''}}}]")
    async with stack.orchestrator(family_depth_max=4):
        run = await stack.gateway.start("breed")
        row = await stack.gateway.ended(run)
        error = error_of(row)
        assert (row["status"], error["status"], error["title"]) == ("faulted", 400, "Run nested too deeply")
        depths = await stack.gateway.pool.fetch("select depth from runs_done where root = $1", run)
        assert sorted(row["depth"] for row in depths) == [1, 2, 3, 4]


async def test_a_refusal_for_depth_can_be_caught_whether_the_child_is_awaited_or_not(stack: Stack):
    for more in ("", "await: false, "):
        name = "awaited" if not more else "detached"
        run = f"{{run: {{{more}workflow: {{namespace: test, name: leaf, version: '1.0.0'}}}}}}"
        await stack.gateway.deploy(
            name,
            f"do: [{{t: {{try: [{{r: {run}}}], catch: {{as: e, do: [{{s: {{set: {{got: '${{ $e }}'}}}}}}]}}}}}}]",
        )
    await stack.gateway.deploy("leaf", "do: [{s: {set: {leaf: true}}}]")
    await stack.gateway.deploy(
        "top",
        "do: [{both: {fork: {branches: ["
        "{a: {run: {workflow: {namespace: test, name: awaited, version: '1.0.0'}}}},"
        "{b: {run: {workflow: {namespace: test, name: detached, version: '1.0.0'}}}}]}}}]",
    )
    async with stack.orchestrator(family_depth_max=1):
        row = await stack.gateway.ended(await stack.gateway.start("top"))
        assert row["status"] == "completed"
        assert [one["got"]["title"] for one in output_of(row)] == ["Run nested too deeply"] * 2


async def test_a_family_grows_to_its_bound_and_no_further(stack: Stack):
    await stack.gateway.deploy("breed", breeding(await_=False))
    async with stack.orchestrator(family_open_max=40) as lifecycle:
        await stack.worker("acme.echo", answer=lambda task: None)
        root = await stack.gateway.start("breed")
        pool = stack.gateway.pool
        faulted = "select error from runs_done where root = $1 and status = 'faulted'"
        refused = await eventually(lambda: pool.fetchval(faulted, root))
        error = msgspec.json.decode(refused)
        assert (error["status"], error["title"]) == (429, "Too many open runs")
        assert f"run {root} has 40 open descendants" in error["detail"]
        read = lifecycle.metrics.registry.get_sample_value
        await eventually(lambda: read("visapi_family_refusals_total", {"of": "task"}))
        assert await family(stack, root) <= 40
        await stack.gateway.tell(root, "cancel")
        await eventually(lambda: nobody(stack, root))
        at_once = await pool.fetch("select * from runs where root = $1", root)
        assert at_once == []


async def nobody(stack: Stack, root: UUID) -> bool:
    return await family(stack, root) == 0


@pytest.mark.parametrize("awaited", [True, False])
async def test_cancelling_a_root_ends_awaited_and_detached_descendants_alike(stack: Stack, awaited: bool):
    await stack.gateway.deploy("breed", breeding(awaited))
    async with stack.orchestrator(family_open_max=200):
        await stack.worker("acme.echo", answer=lambda task: None)
        root = await stack.gateway.start("breed")
        await eventually(lambda: enough(stack, root, 100))
        await stack.gateway.tell(root, "cancel")
        await eventually(lambda: nobody(stack, root))
        assert await stack.gateway.status(root) == "cancelled"


async def enough(stack: Stack, root: UUID, many: int) -> bool:
    return await family(stack, root) >= many


async def test_runs_that_events_start_belong_to_the_family_of_who_emitted_them(stack: Stack):
    await stack.gateway.deploy(
        "echo",
        "schedule: {on: {one: {with: {type: test.again}}}}\n"
        "do: [{e: {emit: {event: {with: {type: test.again, data: {}}}}}}, {work: {call: acme.echo}}]",
    )
    await stack.gateway.listen("echo")
    async with stack.orchestrator(family_depth_max=6):
        await stack.worker("acme.echo", answer=lambda task: None)
        await eventually(lambda: stack.gateway.pool.fetchval("select true from subscriptions"))
        root = await stack.gateway.start("echo")
        pool = stack.gateway.pool
        refused = await eventually(
            lambda: pool.fetchrow("select * from runs_done where root = $1 and depth = 6", root)
        )
        assert error_of(refused)["title"] == "Run nested too deeply"
        assert await family(stack, root) == 5
        await stack.gateway.tell(root, "cancel")
        await eventually(lambda: nobody(stack, root))
        listening = await pool.fetchval("select status from runs where quiet")
        assert listening == "waiting", "the listener of the schedule goes on"


async def test_the_open_runs_of_each_tenant_are_counted_and_bound_what_runs_start(stack: Stack):
    await stack.gateway.deploy("breed", breeding(await_=False))
    async with stack.orchestrator(tenant_open_runs_max=10):
        await stack.worker("acme.echo", answer=lambda task: None)
        for _ in range(12):
            await stack.gateway.start("breed")
        pool = stack.gateway.pool
        refused = await eventually(
            lambda: pool.fetchval("select error from runs_done where status = 'faulted'")
        )
        assert "10 open runs, as many as it may have" in msgspec.json.decode(refused)["detail"]


async def test_what_the_operator_has_set_for_a_tenant_bounds_it_in_place_of_the_setting(stack: Stack):
    await stack.gateway.deploy("breed", breeding(await_=False))
    pool = stack.gateway.pool
    await set_tenant_rate(
        stack.database.superuser, "default", TenantRate(open_runs_max=3), actor="operator:ada"
    )
    async with stack.orchestrator(tenant_open_runs_max=1_000):
        await stack.worker("acme.echo", answer=lambda task: None)
        for _ in range(5):
            await stack.gateway.start("breed")
        assert await eventually(lambda: pool.fetchval("select open_max from open_runs where open >= 3")) == 3


async def test_no_child_escapes_a_root_that_is_cancelled_at_the_same_moment(stack: Stack):
    """Many families, each cancelled while its runs start others; nothing is open in the end."""
    await stack.gateway.deploy("breed", breeding(await_=False))
    async with stack.orchestrator(family_open_max=60), stack.orchestrator(family_open_max=60):
        await stack.worker("acme.echo", answer=lambda task: None)
        roots = [await stack.gateway.start("breed") for _ in range(12)]
        for root in roots:
            await eventually(lambda root=root: enough(stack, root, 5))
        await asyncio.gather(*(stack.gateway.tell(root, "cancel") for root in roots))
        for root in roots:
            await eventually(lambda root=root: nobody(stack, root))
        assert await stack.gateway.pool.fetchval("select count(*) from runs") == 0
