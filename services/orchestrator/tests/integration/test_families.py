"""Runs that start runs, listen to events and bring events into the world, on real servers."""

from typing import Any
from uuid import UUID

import msgspec

from kit.orchestration import Stack, eventually, faulted, output_of
from visapi_common.contracts.problems import standard_error

CHILD = "do: [{work: {call: acme.echo, with: {n: '${ .n }'}}}, {out: {set: {got: '${ . }', n: '${ $workflow.input.n }'}}}]"


def parent(more: str = "", version: str = "'1.0.0'") -> str:
    return (
        "do: [{sub: {run: {" + more + "workflow: {namespace: test, name: child, version: " + version + ", "
        "input: {n: '${ .n }'}}}}}, {after: {set: {child: '${ . }'}}}]"
    )


async def test_a_parent_waits_for_its_child_and_takes_its_output(stack: Stack):
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("parent", parent())
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        run = await stack.gateway.start("parent", {"n": 7})
        row = await stack.gateway.ended(run)
        assert row["status"] == "completed"
        assert output_of(row) == {"child": {"got": None, "n": 7}}
        child = await stack.gateway.pool.fetchrow("select * from runs_done where parent = $1", run)
        assert child is not None
        assert (child["parent_path"], child["started_by"]) == ("/do/0/sub", f"run:{run}")
        assert child["status"] == "completed"
        assert await stack.gateway.count("inbox", run) == 0


async def test_latest_is_the_highest_version_at_the_start(stack: Stack):
    await stack.gateway.deploy("child", "do: [{s: {set: {v: 1}}}]")
    await stack.gateway.deploy("child", "do: [{s: {set: {v: 10}}}]", version="1.10.0")
    await stack.gateway.deploy("child", "do: [{s: {set: {v: 2}}}]", version="1.2.0")
    await stack.gateway.deploy("parent", parent(version="latest"))
    async with stack.orchestrator():
        run = await stack.gateway.start("parent", {"n": 1})
        assert output_of(await stack.gateway.ended(run)) == {"child": {"v": 10}}
        version = await stack.gateway.pool.fetchval("select version from runs_done where parent = $1", run)
        assert version == "1.10.0"


async def test_a_workflow_that_is_not_deployed_is_a_configuration_error_of_the_task(stack: Stack):
    await stack.gateway.deploy("parent", parent())
    async with stack.orchestrator():
        run = await stack.gateway.start("parent", {"n": 1})
        row = await stack.gateway.ended(run)
        error = msgspec.json.decode(row["error"])
        assert (row["status"], error["status"], error["instance"]) == ("faulted", 404, "/do/0/sub")
        assert error["type"].endswith("/configuration")
        assert "test/child in version 1.0.0" in error["detail"]


async def test_a_childs_fault_is_its_parents(stack: Stack):
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("parent", parent())
    async with stack.orchestrator():
        await stack.worker(
            "acme.echo",
            answer=lambda task: faulted(task, standard_error("communication", 503, title="Down")),
        )
        run = await stack.gateway.start("parent", {"n": 1})
        row = await stack.gateway.ended(run)
        error = msgspec.json.decode(row["error"])
        assert (row["status"], error["title"], error["instance"]) == ("faulted", "Down", "/do/0/sub")


async def test_cancelling_a_parent_cancels_its_child_and_the_childs_task(stack: Stack):
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("parent", parent())
    async with stack.orchestrator():
        await stack.worker("acme.echo", answer=lambda task: None)
        run = await stack.gateway.start("parent", {"n": 1})
        child: UUID = await eventually(
            lambda: stack.gateway.pool.fetchval(
                "select run from tasks where run in (select id from runs where parent = $1)", run
            )
        )
        await stack.gateway.tell(run, "cancel")
        assert (await stack.gateway.ended(run))["status"] == "cancelled"
        assert (await stack.gateway.ended(child))["status"] == "cancelled"
        assert await stack.gateway.count("tasks", child) == 0


async def test_a_child_that_is_not_awaited_goes_on_without_its_parent(stack: Stack):
    await stack.gateway.deploy("child", CHILD)
    await stack.gateway.deploy("parent", parent("await: false, "))
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        run = await stack.gateway.start("parent", {"n": 1})
        assert output_of(await stack.gateway.ended(run)) == {"child": {"n": 1}}
        await eventually(
            lambda: stack.gateway.pool.fetchval(
                "select true from runs_done where parent = $1 and parent_path is null", run
            )
        )


async def test_a_child_whose_trigger_is_lost_is_found_by_the_sweep(stack: Stack):
    await stack.gateway.deploy("child", "do: [{s: {set: {v: 1}}}]")
    await stack.gateway.deploy("parent", parent())
    async with stack.orchestrator():
        stack.nats.kill()
        run = await stack.gateway.start("parent", {"n": 1}, announce=False)
        row = await stack.gateway.ended(run)
        assert output_of(row) == {"child": {"v": 1}}
        stack.nats.restart()


async def test_grandchildren_answer_through_their_parents(stack: Stack):
    await stack.gateway.deploy("leaf", "do: [{s: {set: {leaf: true}}}]")
    await stack.gateway.deploy("child", "do: [{deep: {run: {workflow: {namespace: test, name: leaf}}}}]")
    await stack.gateway.deploy("parent", parent())
    async with stack.orchestrator():
        run = await stack.gateway.start("parent", {"n": 1})
        assert output_of(await stack.gateway.ended(run)) == {"child": {"leaf": True}}


async def test_a_listener_has_its_subscription_until_it_has_its_event(stack: Stack):
    await stack.gateway.deploy(
        "listening",
        "do: [{hear: {listen: {to: {one: {with: {type: paid}, correlate: "
        "{o: {from: .data.order, expect: '${ .order }'}}}}}}}]",
    )
    event: dict[str, Any] = {
        "specversion": "1.0", "id": "1", "source": "/t", "type": "paid", "data": {"order": "o1"},
    }  # fmt: skip
    async with stack.orchestrator():
        run = await stack.gateway.start("listening", {"order": "o1"})
        await eventually(lambda: stack.gateway.count("subscriptions", run))
        shape = await stack.gateway.pool.fetchval("select shape from subscriptions where run = $1", run)
        assert shape == "data.order\ntype"
        assert await stack.gateway.status(run) == "waiting"
        await stack.gateway.tell(run, "event", key="event:1", **event)
        assert output_of(await stack.gateway.ended(run)) == [{"order": "o1"}]
        assert await stack.gateway.count("subscriptions", run) == 0


async def test_an_emitted_event_is_committed_with_its_transition(stack: Stack):
    await stack.gateway.deploy(
        "telling", "do: [{tell: {emit: {event: {with: {type: greeted, data: {a: 1}}}}}}]"
    )
    async with stack.orchestrator():
        run = await stack.gateway.start("telling")
        emitted = output_of(await stack.gateway.ended(run))
        row = await stack.gateway.pool.fetchrow("select * from events_in where id = $1", emitted["id"])
        assert row is not None
        assert (row["tenant"], row["type"], row["publish"]) == ("default", "greeted", True)
        assert msgspec.json.decode(row["body"]) == {**emitted, "visapiroot": str(run), "visapihops": 1}
