"""Events from everywhere to those who listen, and from workflows to the world, on real servers."""

from typing import Any
from uuid import UUID

import msgspec

from kit.orchestration import TENANT, Stack, eventually, output_of
from visapi_common.contracts import subjects

LISTEN = (
    "do: [{hear: {listen: {to: {one: {with: {type: paid}, correlate: "
    "{o: {from: .data.order, expect: '${ .order }'}}}}}}}]"
)


def paid(order: str, number: str = "1") -> dict[str, Any]:
    return {"specversion": "1.0", "id": number, "source": "/shop", "type": "paid", "data": {"order": order}}


async def post(stack: Stack, event: dict[str, Any], *, hint: bool = True) -> None:
    await stack.gateway.rows.put_events(TENANT, event)
    if hint:
        stack.gateway.bus.publish(subjects.CONTROL_EVENTS, b"")


async def listening(stack: Stack, value: dict[str, Any], name: str = "listening") -> UUID:
    run = await stack.gateway.start(name, value)
    await eventually(lambda: stack.gateway.count("subscriptions", run))
    return run


async def test_an_event_reaches_the_run_that_listens_for_it_and_no_other(stack: Stack):
    await stack.gateway.deploy("listening", LISTEN)
    async with stack.orchestrator():
        first = await listening(stack, {"order": "o1"})
        second = await listening(stack, {"order": "o2"})
        await post(stack, paid("o1"))
        assert output_of(await stack.gateway.ended(first)) == [{"order": "o1"}]
        assert await stack.gateway.status(second) == "waiting"
        assert await stack.gateway.count("inbox", second) == 0


EMITS = """
do:
  - told:
      try:
        - tell: {emit: {event: {with: {type: '${ .type }', id: '${ .id }', data: '${ [.data, .data, .data] }'}}}}
      catch:
        as: error
        do:
          - caught: {set: {type: '${ $error.type }', detail: '${ $error.detail }'}}
"""


async def test_an_event_that_nobody_could_publish_is_an_error_that_a_workflow_can_catch(stack: Stack):
    await stack.gateway.deploy("emits", EMITS)
    async with stack.orchestrator():
        for given, said in (
            ({"type": "x" * 5_000}, "255 characters"),
            ({"type": "a\nb"}, "control characters"),
            ({"type": "x", "id": "i" * 2_000}, "1024 bytes"),
            ({"type": "x", "data": "d" * 400_000}, "bytes of JSON"),
        ):
            run = await stack.gateway.start("emits", {"id": "1", "data": None, **given})
            output = output_of(await stack.gateway.ended(run))
            assert output["type"].endswith("/expression")
            assert said in output["detail"]
        run = await stack.gateway.start("emits", {"type": "größer.als 1", "id": "2", "data": 1})
        assert output_of(await stack.gateway.ended(run))["type"] == "größer.als 1"

        async def published() -> bool:
            waiting = "select count(*) from events_in where publish and published_at is null"
            return await stack.gateway.pool.fetchval(waiting) == 0

        await eventually(published)


async def test_without_a_hint_the_look_once_a_second_finds_it(stack: Stack):
    await stack.gateway.deploy("listening", LISTEN)
    async with stack.orchestrator():
        run = await listening(stack, {"order": "o1"})
        await post(stack, paid("o1"), hint=False)
        assert output_of(await stack.gateway.ended(run)) == [{"order": "o1"}]


async def test_an_event_that_came_before_its_listener_is_not_kept(stack: Stack):
    await stack.gateway.deploy("listening", LISTEN)
    async with stack.orchestrator():
        await post(stack, paid("o1", "early"))
        await eventually(
            lambda: stack.gateway.pool.fetchval("select true from events_in where matched_at is not null")
        )
        run = await listening(stack, {"order": "o1"})
        await post(stack, paid("o1", "early"))
        assert await stack.gateway.status(run) == "waiting"
        await post(stack, paid("o1", "in time"))
        assert (await stack.gateway.ended(run))["status"] == "completed"


async def test_a_producer_may_publish_structured_or_binary_and_twice(stack: Stack):
    await stack.gateway.deploy(
        "counting",
        "do: [{hear: {listen: {to: {any: [{with: {type: paid}}], until: '( . | length ) == 2'}}}}]",
    )
    async with stack.orchestrator():
        run = await listening(stack, {}, "counting")
        subject = subjects.event(TENANT, "paid")
        body = msgspec.json.encode(paid("o1"))
        for _ in range(2):
            await stack.gateway.bus.publish_acked(subject, body)
        binary = {"ce-specversion": "1.0", "ce-id": "2", "ce-source": "/shop", "ce-type": "paid"}
        await stack.gateway.bus.publish_acked(subject, b'{"order":"o2"}', headers=binary)
        assert output_of(await stack.gateway.ended(run)) == [{"order": "o1"}, {"order": "o2"}]


async def test_what_is_no_event_or_of_no_tenant_becomes_a_dead_letter_and_blocks_nobody(stack: Stack):
    await stack.gateway.deploy("listening", LISTEN)
    async with stack.orchestrator():
        run = await listening(stack, {"order": "o1"})
        bus = stack.gateway.bus
        await bus.publish_acked(subjects.event(TENANT, "paid"), b"no json")
        await bus.publish_acked(subjects.event("nobody", "paid"), msgspec.json.encode(paid("o1", "x")))
        await bus.publish_acked(subjects.event(TENANT, "paid"), msgspec.json.encode(paid("o1", "y")))
        assert (await stack.gateway.ended(run))["status"] == "completed"
        details = await stack.gateway.pool.fetch("select detail from dead_letters where reason = 'bad-event'")
        assert len(details) == 2
        assert any("no tenant" in row["detail"] for row in details)


async def test_an_emitted_event_reaches_other_runs_and_the_stream_once(stack: Stack):
    await stack.gateway.deploy("hearing", "do: [{hear: {listen: {to: {one: {with: {type: greeted}}}}}}]")
    await stack.gateway.deploy(
        "telling", "do: [{tell: {emit: {event: {with: {type: greeted, data: {to: '${ .name }'}}}}}}]"
    )
    async with stack.orchestrator():
        hearing = await listening(stack, {}, "hearing")
        telling = await stack.gateway.start("telling", {"name": "Ada"})
        emitted = output_of(await stack.gateway.ended(telling))
        assert output_of(await stack.gateway.ended(hearing)) == [{"to": "Ada"}]
        await eventually(
            lambda: stack.gateway.pool.fetchval(
                "select true from events_in where id = $1 and published_at is not null", emitted["id"]
            )
        )
        message = await stack.gateway.bus.request(
            "$JS.API.STREAM.MSG.GET.EVENTS",
            msgspec.json.encode({"last_by_subj": subjects.event(TENANT, "greeted")}),
            2.0,
        )
        assert b"message" in message.data
        count = await stack.gateway.pool.fetchval("select count(*) from events_in where type = 'greeted'")
        assert count == 1


async def test_two_orchestrators_tell_a_run_of_an_event_once(stack: Stack):
    await stack.gateway.deploy(
        "counting",
        "do: [{hear: {listen: {to: {any: [{with: {type: paid}}], until: '( . | length ) == 20'}}}}]",
    )
    async with stack.orchestrator(), stack.orchestrator():
        run = await listening(stack, {}, "counting")
        for number in range(20):
            await post(stack, paid(str(number), str(number)))
            await post(stack, paid(str(number), str(number)))
        heard = output_of(await stack.gateway.ended(run))
        assert sorted(int(data["order"]) for data in heard) == list(range(20))
