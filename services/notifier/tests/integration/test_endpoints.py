"""Webhooks to endpoints on a real ledger: each is sent until it is delivered or given up, and a dead endpoint delays no
other.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from kit.endpoint_world import KEYS, Exchange, World, endpoint_world
from kit.ledger_rows import overwrite
from kit.servers import Database
from kit.waiting import eventually
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import TransientFault
from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.endpoints.rules import Attempt, after_failure
from visapi_notifier.endpoints.shares import Place
from visapi_notifier.endpoints.store import PostgresEndpoints
from visapi_notifier.opening import EgressClient

BYTES = 10_000_000
SQL = load_queries("visapi_notifier.endpoints", "queries.sql")


@pytest.fixture
async def world(postgres_db: Database) -> AsyncIterator[World]:
    async with endpoint_world(postgres_db) as opened:
        yield opened


async def test_two_notifiers_send_each_message_once(world: World):
    first, second = [await world.endpoint(name) for name in ("first", "second")]
    for one in (first, second):
        await world.write(one, 100)
    async with world.sending(), world.sending(owner="two"):
        await world.delivered(first, 100)
        await world.delivered(second, 100)
    assert len(world.receiver.received) == 200
    assert len({one.id for one in world.receiver.received}) == 200
    assert all(one.valid for one in world.receiver.received)
    attempts = await world.db.fetch("select * from visapi.endpoint_attempts")
    assert {(row["number"], row["status"], row["response"]) for row in attempts} == {(1, 200, b"ok")}
    assert len(attempts) == 200
    read = world.metrics.registry.get_sample_value
    assert read("visapi_endpoint_attempts_total", {"outcome": "delivered"}) == 200


async def test_ordered_messages_come_one_by_one_and_one_that_fails_holds_up_the_others(world: World):
    ordered = await world.endpoint("ordered", ordered=True)
    await world.write(ordered, 12)
    refused = 3

    def answer(one: Any) -> tuple[int, str]:
        fails = one.body["data"]["n"] == 5 and len(world.receiver.at("/ordered")) <= 4 + refused
        return (500, "") if fails else (200, "")

    world.receiver.answers["/ordered"] = answer
    async with world.sending(), world.sending(owner="two"):
        for tried in range(refused):
            await eventually(lambda tried=tried: len(world.receiver.received) > 4 + tried)
            await asyncio.sleep(0.1)
            assert len(world.receiver.received) == 5 + tried
            await world.hurry(ordered)
        await world.delivered(ordered, 12)
    numbers = [one.body["data"]["n"] for one in world.receiver.received]
    assert numbers == [1, 2, 3, 4, 5, 5, 5, 5, 6, 7, 8, 9, 10, 11, 12]


async def test_a_message_is_given_up_after_ten_attempts_and_its_log_shows_each(world: World):
    weak = await world.endpoint("weak")
    await world.write(weak)
    world.receiver.answers["/weak"] = lambda _: (503, "")
    async with world.sending():
        for number in range(1, 11):
            await eventually(lambda number=number: len(world.receiver.received) == number)

            async def logged(number: int = number) -> bool:
                query = "select count(*) from visapi.endpoint_attempts"
                return await world.db.fetchval(query) == number

            await eventually(logged)
            await world.hurry(weak)
        assert await world.states(weak) == {"failed": 1}
        await eventually(lambda: world.given_up)
    assert len(world.receiver.received) == 10
    assert len({one.id for one in world.receiver.received}) == 1
    row = await world.row(weak)
    assert (row["enabled"], row["failing_since"] is None) == (True, False)
    [letter] = await world.db.fetch("select * from visapi.dead_letters")
    shown = (letter["kind"], letter["reason"], letter["service"], letter["workflow"], letter["item"])
    assert shown == (
        "webhook",
        "webhook-failed",
        "notifier",
        "a/b",
        [str(weak), world.receiver.received[0].id],
    )
    assert letter["detail"] == "the webhook was given up after 10 attempts: the endpoint answered 503"
    assert [one.letter for one in world.given_up] == [letter["id"]]
    counted = world.metrics.registry.get_sample_value(
        "visapi_dead_letters_total", {"reason": "webhook-failed"}
    )
    assert counted == 1


async def test_an_endpoint_to_which_nothing_was_delivered_for_three_days_is_disabled(world: World):
    weak = await world.endpoint("weak")
    await world.write(weak, 2)
    world.receiver.answers["/weak"] = lambda _: (500, "")
    days = (await world.now()) - timedelta(days=3, minutes=1)
    await overwrite(world.db, "endpoints", {"id": weak}, failing_since=days)

    async def disabled() -> bool:
        return not (await world.row(weak))["enabled"]

    async with world.sending():
        await eventually(disabled)
        sent = len(world.receiver.received)
        await world.hurry(weak)
        await asyncio.sleep(1)
        assert len(world.receiver.received) == sent
        row = await world.row(weak)
        assert (row["disabled_reason"], row["noticed_at"]) == ("failing", None)
        # Whoever enables it again has it sent what waits.
        await overwrite(world.db, "endpoints", {"id": weak}, enabled=True, failing_since=None)
        world.receiver.answers.clear()
        await world.delivered(weak, 2)
    assert (await world.row(weak))["failing_since"] is None


async def test_whoever_says_410_is_sent_nothing_more(world: World):
    gone = await world.endpoint("gone", ordered=True)
    await world.write(gone, 3)
    world.receiver.answers["/gone"] = lambda _: (410, "")

    async def disabled() -> bool:
        return (await world.row(gone))["disabled_reason"] == "gone"

    async with world.sending():
        await eventually(disabled)
        await asyncio.sleep(1)
    assert len(world.receiver.received) == 1
    assert await world.states(gone) == {"failed": 1, "pending": 2}


async def test_a_dead_endpoint_delays_no_other(world: World):
    """Forty endpoints of one tenant that never answer, beside one of the same tenant and one of another."""
    hanging = [await world.endpoint(f"hang{n}") for n in range(40)]
    for one in hanging:
        world.receiver.delays[f"/hang{hanging.index(one)}"] = 30.0
        await world.write(one, 20)
    beside = await world.endpoint("beside")
    others = await world.endpoint("others", tenant="other")
    async with world.sending(slow(world.client)):
        # By now every one of them has failed, and all messages are due.
        await asyncio.sleep(4)
        for one in hanging:
            await world.hurry(one)
        began = time.monotonic()
        await world.write(beside, 40)
        await world.write(others, 40, tenant="other")
        await world.delivered(beside, 40, within_s=10)
        await world.delivered(others, 40, within_s=10)
        took_s = time.monotonic() - began
    print(f"40 webhooks each beside 40 dead endpoints were delivered within {took_s:.2f} s")
    assert took_s < 5


def slow(client: EgressClient) -> Exchange:
    """Gives up after two seconds instead of fifteen, so that a test need not wait."""

    async def exchange(outbound: Outbound) -> Inbound:
        try:
            async with asyncio.timeout(2.0):
                return await client(outbound)
        except TimeoutError:
            raise TransientFault("no answer within two seconds") from None

    return exchange


async def test_a_message_whose_notifier_was_killed_is_sent_by_another(world: World):
    one = await world.endpoint("one")
    await world.write(one)
    rows = PostgresEndpoints(world.pool, KEYS, "killed")
    [due] = await rows.due()
    [claimed] = await rows.claim([Place(due.tenant, due.endpoint, 5, False)], 1, BYTES)
    assert await rows.due() == []
    async with world.sending(owner="two"):
        await asyncio.sleep(1)
        assert world.receiver.received == []
        await world.hurry(one)
        await world.delivered(one, 1)
    [came] = world.receiver.received
    assert came.id == str(claimed.id)
    query = "select attempts, attempts_left from visapi.endpoint_messages"
    row = await world.db.fetchrow(query)
    assert row is not None
    assert (row["attempts"], row["attempts_left"]) == (2, 8)


async def test_a_message_that_was_replayed_amid_an_attempt_is_sent_again_whatever_the_attempt_says(
    world: World,
):
    one = await world.endpoint("one")
    await world.write(one)
    await overwrite(world.db, "endpoint_messages", {}, attempts=9, attempts_left=1)
    rows = PostgresEndpoints(world.pool, KEYS, "one")
    [last] = await rows.claim([Place("default", one, 5, False)], 1, BYTES)
    assert (last.number, last.left) == (10, 0)
    await overwrite(world.db, "endpoint_messages", {}, attempts_left=10, lease_owner=None)
    await rows.finish([(last, after_failure(last, "away", draw=0.5), 0.1)])
    assert await world.states(one) == {"pending": 1}
    await world.hurry(one)
    async with world.sending():
        await world.delivered(one, 1)
    numbers = await world.db.fetch("select number from visapi.endpoint_attempts order by number")
    assert [row["number"] for row in numbers] == [10, 11]


async def test_an_ordered_endpoint_is_sent_no_replayed_message_while_a_later_one_is_under_way(world: World):
    ordered = await world.endpoint("ordered", ordered=True)
    await world.write(ordered, 2)
    one, two = PostgresEndpoints(world.pool, KEYS, "one"), PostgresEndpoints(world.pool, KEYS, "two")
    place = Place("default", ordered, 1, True)
    [first] = await one.claim([place], BYTES, BYTES)
    await one.finish([(first, Attempt("delivered"), 0.1)])
    [second] = await one.claim([place], BYTES, BYTES)
    now = await world.now()
    await overwrite(world.db, "endpoint_messages", {"id": first.id}, state="pending", next_at=now)
    assert (await two.due(), await two.claim([place], BYTES, BYTES)) == ([], [])
    await one.finish([(second, Attempt("delivered"), 0.1)])
    async with world.db.acquire() as held, held.transaction():
        # While another notifier claims for the endpoint, nobody else does.
        await held.fetch(SQL["hold_ordered"], ["default"], [ordered])
        assert await two.claim([place], BYTES, BYTES) == []
    assert [again.id for again in await two.claim([place], BYTES, BYTES)] == [first.id]


async def test_a_secret_that_cannot_be_opened_and_a_forbidden_address_are_said_in_the_log(world: World):
    sealed = await world.endpoint("sealed")
    inside = await world.endpoint("inside", url="http://169.254.169.254/latest/meta-data")
    await overwrite(world.db, "endpoint_secrets", {"endpoint": sealed}, sealed=b"x" * 60)
    await world.write(sealed)
    await world.write(inside)

    async def logged() -> Any:
        rows = await world.db.fetch("select error, status from visapi.endpoint_attempts order by error")
        return rows if len(rows) == 2 else None

    async with world.sending():
        rows = await eventually(logged)
    assert [row["status"] for row in rows] == [None, None]
    texts = " ".join(row["error"] for row in rows)
    assert "cannot open the secrets" in texts
    assert "the destination is not public" in texts
    assert world.receiver.received == []
    left = "select attempts_left from visapi.endpoint_messages where endpoint = $1"
    # What the operator has to mend costs the tenant no attempt.
    assert [await world.db.fetchval(left, each) for each in (sealed, inside)] == [10, 9]
    assert [(await world.row(each))["failing_since"] is None for each in (sealed, inside)] == [True, False]


async def test_hung_endpoints_with_large_messages_delay_no_other(world: World):
    """What they are sent fills no more than half of the bytes that are sent at once."""
    hanging = [(f"hang{n}", tenant) for n in range(6) for tenant in ("default", "third")]
    for name, tenant in hanging:
        one = await world.endpoint(name, tenant=tenant)
        world.receiver.delays[f"/{name}"] = 30.0
        await world.write(one, 8, tenant=tenant)
    await overwrite(world.db, "endpoint_messages", {}, size=6_000_000)
    others = await world.endpoint("others", tenant="other")
    async with world.sending():
        await asyncio.sleep(1)
        await world.write(others, 40, tenant="other")
        await world.delivered(others, 40, within_s=5)
