"""Schedules `on` one event while versions are deployed: an event starts the workflow once, on real servers."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from kit.ledger_rows import overwrite
from kit.orchestration import TENANT, Stack, eventually, output_of
from kit.tenants import add_tenants
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxHint
from visapi_engine.model.listeners import listener_of
from visapi_engine.model.program import decode_program, encode_program
from visapi_gateway.schedules.transaction import put_listener, stop_listener

ON = "schedule: {on: {one: {with: {type: paid}}}}\ndo: [{took: {set: {n: '${ .[0].id }'}}}]"
FAULTY = ON.replace("{type: paid}", "{type: paid}, correlate: {o: {from: .data.o, expect: '${ error(1) }'}}")
LISTEN = "do: [{hear: {listen: {to: {one: {with: {type: paid}}}}}}]"
OTHER = "bystander"
WORKFLOWS = load_queries("visapi_gateway.workflows", "queries.sql")


def paid(number: object) -> dict[str, Any]:
    return {"specversion": "1.0", "id": str(number), "source": "/shop", "type": "paid"}


async def post(stack: Stack, number: object, tenant: str = TENANT) -> None:
    await stack.gateway.rows.put_events(tenant, paid(number))
    stack.gateway.bus.publish(subjects.CONTROL_EVENTS, b"")


async def deploy(stack: Stack, version: str) -> UUID:
    """As the gateway does, which tells the orchestrators of the new listener and of the old one's end."""
    old = await stack.gateway.pool.fetchval("select run from schedule_listeners")
    listener = stack.gateway.ids.uuid7()
    await stack.gateway.deploy("shop", ON, version=version, listener=listener)
    for run in (listener, old):
        if run is not None:
            stack.gateway.bus.publish(subjects.inbox(run), msgspec.json.encode(InboxHint(run)))
    return listener


async def started(stack: Stack) -> list[tuple[str, str]]:
    """Number of the event and version, of every run of the workflow."""
    rows: list[Mapping[str, Any]] = await stack.gateway.pool.fetch(
        "select version, output from runs_done where name = 'shop' and not quiet"
    )
    return sorted((output_of(row)["n"], row["version"]) for row in rows)


async def all_matched(stack: Stack) -> bool:
    waiting = await stack.gateway.pool.fetchval(
        "select (select count(*) from events_in where matched_at is null) + (select count(*) from inbox)"
        " + (select count(*) from runs where not quiet)"
    )
    return waiting == 0


async def no_listener(stack: Stack, run: UUID) -> bool:
    return (
        await stack.gateway.pool.fetchval("select count(*) from schedule_listeners where run = $1", run) == 0
    )


async def all_read(stack: Stack, run: UUID) -> bool:
    return await stack.gateway.count("inbox", run) == 0


async def test_each_event_starts_one_run_through_deployments_under_a_stream_of_events(stack: Stack):
    versions = [f"1.0.{number}" for number in range(4)]
    at_least: dict[str, str] = {}
    await deploy(stack, versions[0])
    async with stack.orchestrator(), stack.orchestrator():
        for place, version in enumerate(versions):
            if place:
                _, listener = await asyncio.gather(post(stack, f"{place}-beside"), deploy(stack, version))
                assert listener
            for number in range(12):
                at_least[f"{place}-{number:02}"] = version
                await post(stack, f"{place}-{number:02}")
        await eventually(lambda: all_matched(stack))
        found = await started(stack)
    beside = [f"{place}-beside" for place in range(1, len(versions))]
    assert [number for number, _ in found] == sorted([*at_least, *beside])
    assert all(version >= at_least.get(number, "") for number, version in found)


async def test_an_event_waits_for_the_deployment_under_way_and_starts_its_version_alone(stack: Stack):
    await add_tenants(stack.gateway.pool, OTHER)
    await stack.gateway.deploy("theirs", LISTEN, tenant=OTHER)
    listener = await deploy(stack, "1.0.0")
    async with stack.orchestrator(), stack.orchestrator():
        await eventually(lambda: stack.gateway.count("subscriptions", listener))
        await stack.gateway.deploy("shop", ON, version="2.0.0")
        ref, program = stack.gateway.deployed("shop")
        name, new = (TENANT, ref.namespace, ref.name), stack.gateway.ids.uuid7()
        body = await stack.gateway.pool.fetchval(
            "select body from programs where hash = decode($1, 'hex')", program
        )
        found = decode_program(body)
        assert found.schedule_on is not None
        program_of_listener = encode_program(listener_of(found, found.schedule_on))
        digest = hashlib.sha256(program_of_listener).digest()
        await stack.gateway.pool.execute(WORKFLOWS["put_program"], digest, program_of_listener)
        async with stack.gateway.pool.acquire() as connection, connection.transaction():
            await stop_listener(connection, name)
            await put_listener(connection, new, (*name, "2.0.0", digest), b'{"inline":null}', "tester")
            await post(stack, "during")
            theirs = await stack.gateway.start("theirs", tenant=OTHER)
            await eventually(lambda: stack.gateway.count("subscriptions", theirs))
            await post(stack, "theirs", OTHER)
            assert (await stack.gateway.ended(theirs))["status"] == "completed"
            waiting = "select id from events_in where matched_at is null"
            assert [row["id"] for row in await stack.gateway.pool.fetch(waiting)] == ["during"]
        await eventually(lambda: all_matched(stack))
        assert await started(stack) == [("during", "2.0.0")]


async def test_what_the_old_version_heard_before_the_deployment_starts_the_old_version(stack: Stack):
    """The listener reads the event and its own end at once, because nobody ran meanwhile."""
    listener = await deploy(stack, "1.0.0")
    await stack.gateway.rows.tell(listener, TENANT, "event", "event:before", paid("before"))
    await deploy(stack, "2.0.0")
    async with stack.orchestrator():
        await eventually(lambda: all_matched(stack))
        assert await started(stack) == [("before", "1.0.0")]


async def test_an_event_that_comes_before_the_listener_has_subscribed_is_heard(stack: Stack):
    await deploy(stack, "1.0.0")
    await post(stack, "early")
    await stack.gateway.rows.put_events(TENANT, {**paid("other"), "type": "unpaid"})
    async with stack.orchestrator():
        await eventually(lambda: all_matched(stack))
        assert await started(stack) == [("early", "1.0.0")]


async def test_a_listener_that_faults_in_its_first_transition_is_none_from_then_on(stack: Stack):
    await add_tenants(stack.gateway.pool, OTHER)
    theirs, ours = stack.gateway.ids.uuid7(), stack.gateway.ids.uuid7()
    await stack.gateway.deploy("theirs", ON, tenant=OTHER, listener=theirs)
    await stack.gateway.deploy("shop", FAULTY, listener=ours)
    async with stack.orchestrator():
        assert (await stack.gateway.ended(ours))["status"] == "faulted"
        await eventually(lambda: stack.gateway.count("subscriptions", theirs))
    # A process looks as soon as it starts.
    async with stack.orchestrator():
        await eventually(lambda: no_listener(stack, ours))
        assert not await no_listener(stack, theirs)
        await overwrite(stack.gateway.pool, "runs_done", {"id": ours}, resume=b"{}")
        await stack.gateway.tell(ours, "retry")
        await eventually(lambda: all_read(stack, ours))
        assert await stack.gateway.live(ours) is None, "events no longer reach it"
