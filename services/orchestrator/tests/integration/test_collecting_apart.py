"""Schedules `on` several events: each correlation collects apart and starts its run once, on real servers."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from kit.ledger_rows import lose, move_back, overwrite, plant
from kit.orchestration import TENANT, Stack, eventually
from visapi_common.adapters.clock import RandomIds
from visapi_common.contracts import subjects
from visapi_common.core.errors import UnknownFault
from visapi_orchestrator.transitions.rules.ledger_answers import WriteResult
from visapi_orchestrator.transitions.rules.write_set import WriteSet
from visapi_orchestrator.transitions.store.ledger import PostgresLedger
from visapi_orchestrator.upkeep.store.collections import PostgresCollections

ON = """
schedule:
  on:
    all:
      - {with: {type: paid}, correlate: {order: {from: .data.order}}}
      - {with: {type: packed}, correlate: {order: {from: .data.order}}}
do: [{ship: {set: {order: '${ .[0].data.order }', events: '${ [.[].type] }'}}}]
"""


def event(kind: str, order: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{kind}-{order}",
        "source": "/shop",
        "type": kind,
        "data": {"order": order},
    }


async def post(stack: Stack, events: Sequence[Mapping[str, Any]]) -> None:
    for one in events:
        await stack.gateway.rows.put_events(TENANT, dict(one))
    stack.gateway.bus.publish(subjects.CONTROL_EVENTS, b"")


async def listening(stack: Stack, listener: UUID) -> None:
    async def subscribed() -> bool:
        return await stack.gateway.count("subscriptions", listener) == 2

    await eventually(subscribed)


async def read(stack: Stack, listener: UUID, collected: int) -> None:
    """Wait until the listener has read everything, and holds so many collections."""

    async def held() -> bool:
        return (
            await stack.gateway.pool.fetchval("select count(*) from events_in where matched_at is null") == 0
            and await stack.gateway.count("inbox", listener) == 0
            and await stack.gateway.count("collections", listener) == collected
        )

    await eventually(held)


async def orders(stack: Stack, count: int) -> list[str]:
    """The orders of the runs that have completed, once there are so many."""

    async def ended() -> list[Any]:
        rows = await stack.gateway.pool.fetch("select output from runs_done where not quiet")
        return rows if len(rows) >= count else []

    rows = await eventually(ended)
    outputs = [msgspec.json.decode(row["output"])["inline"] for row in rows]
    assert all(sorted(one["events"]) == ["packed", "paid"] for one in outputs)
    return sorted(one["order"] for one in outputs)


class LosesSomeAnswers(PostgresLedger):
    """Every third commit happens without an answer, every fifth never happens, and nobody can tell."""

    writes = 0

    async def write(self, rows: WriteSet) -> WriteResult:
        LosesSomeAnswers.writes += 1
        if LosesSomeAnswers.writes % 5 == 0:
            raise UnknownFault("the connection was lost during COMMIT")
        written = await super().write(rows)
        if LosesSomeAnswers.writes % 3 == 0:
            raise UnknownFault("the answer to COMMIT was lost")
        return written


async def test_correlations_in_flight_start_their_runs_once_through_lost_commits_and_restarts(stack: Stack):
    await stack.gateway.deploy("ship", ON)
    listener = await stack.gateway.listen("ship")
    names = [f"o-{number:03}" for number in range(60)]
    events = [event(kind, order) for order in names for kind in ("paid", "packed")]
    random.Random(7).shuffle(events)

    def lossy(ledger: PostgresLedger) -> PostgresLedger:
        return LosesSomeAnswers(ledger._pool, RandomIds())

    async with stack.orchestrator(around_ledger=lossy), stack.orchestrator(around_ledger=lossy):
        await listening(stack, listener)
        await post(stack, events[:40])
    async with stack.orchestrator(around_ledger=lossy):
        await post(stack, events[40:80])
    async with stack.orchestrator(), stack.orchestrator(around_ledger=lossy):
        await post(stack, [*events[80:], *events[:10]])
        assert await orders(stack, len(names)) == names
        await read(stack, listener, 0)
        assert await orders(stack, len(names)) == names


async def test_beyond_the_bound_events_become_dead_letters_and_can_be_replayed(stack: Stack):
    await stack.gateway.deploy("ship", ON)
    listener = await stack.gateway.listen("ship")
    async with stack.orchestrator(schedule_correlations_max=3) as lifecycle:
        await listening(stack, listener)
        await post(stack, [event("paid", f"o-{number}") for number in range(5)])
        await read(stack, listener, 3)
        letters = await stack.gateway.pool.fetch(
            "select id, kind, run, detail from dead_letters where reason = 'event-not-collected' order by detail"
        )
        assert [(row["kind"], row["run"]) for row in letters] == [("inbox", listener)] * 2
        assert "paid-o-3 of /shop" in letters[0]["detail"]
        assert "test/ship" in letters[0]["detail"]
        counted = lifecycle.metrics.registry.get_sample_value(
            "visapi_events_uncollected_total", {"reason": "refused"}
        )
        assert counted == 2
        await post(stack, [event("packed", "o-0")])
        assert await orders(stack, 1) == ["o-0"]
        await stack.gateway.rows.replay(letters[0]["id"], TENANT)
        await read(stack, listener, 3)
        await post(stack, [event("packed", "o-3")])
        assert await orders(stack, 2) == ["o-0", "o-3"]


async def test_a_flood_of_correlations_leaves_a_bounded_number_of_dead_letters(stack: Stack):
    await stack.gateway.deploy("ship", ON)
    listener = await stack.gateway.listen("ship")
    async with stack.orchestrator(schedule_correlations_max=1) as lifecycle:
        await listening(stack, listener)
        flood = [
            {"specversion": "1.0", "id": f"{n}", "source": "/flood", "type": "paid", "data": {"order": n}}
            for n in range(1, 1501)
        ]
        await stack.gateway.rows.put_events(TENANT, *flood)
        await read(stack, listener, 1)
        count = "select count(*) from dead_letters where run = $1"
        assert 900 <= await stack.gateway.pool.fetchval(count, listener) <= 1000
        counted = lifecycle.metrics.registry.get_sample_value(
            "visapi_events_uncollected_total", {"reason": "refused"}
        )
        assert counted == 1499


async def test_events_that_wait_too_long_become_dead_letters_while_others_go_on(stack: Stack):
    await stack.gateway.deploy("ship", ON)
    listener = await stack.gateway.listen("ship")
    async with stack.orchestrator(schedule_correlation_days=3):
        await listening(stack, listener)
        await post(stack, [event("paid", "old"), event("paid", "new")])
        await read(stack, listener, 2)
        rows = await stack.gateway.pool.fetch("select key, body from collections")
        old = [row["key"] for row in rows if b"old" in row["body"]]
        await move_back(stack.gateway.pool, "collections", timedelta(days=4), "began_at", key=old)
        letter = await eventually(
            lambda: stack.gateway.pool.fetchrow(
                "select * from dead_letters where reason = 'correlation-expired'"
            )
        )
        assert "within 3 days" in letter["detail"]
        await post(stack, [event("packed", "new"), event("packed", "old")])
        assert await orders(stack, 1) == ["new"]
        await stack.gateway.rows.replay(letter["id"], TENANT)
        assert await orders(stack, 2) == ["new", "old"]


async def test_a_new_version_takes_over_what_the_one_before_has_collected(stack: Stack):
    await stack.gateway.deploy("ship", ON)
    first = await stack.gateway.listen("ship")
    async with stack.orchestrator():
        await listening(stack, first)
        await post(stack, [event("paid", "a"), event("packed", "b")])
        await read(stack, first, 2)
        await stack.gateway.deploy("ship", ON, version="2.0.0")
        second = await stack.gateway.listen("ship")
        await listening(stack, second)
        await read(stack, second, 2)
        await post(stack, [event("packed", "a"), event("paid", "b")])
        assert await orders(stack, 2) == ["a", "b"]


async def test_what_nobody_listens_for_any_more_is_deleted(stack: Stack):
    await stack.gateway.deploy("ship", ON)
    listener = await stack.gateway.listen("ship")
    async with stack.orchestrator():
        await listening(stack, listener)
        await post(stack, [event("paid", "a")])
        await read(stack, listener, 1)
        await lose(stack.gateway.pool, "schedule_listeners")
        await stack.gateway.tell(listener, "cancel")

        async def gone() -> bool:
            return await stack.gateway.count("collections", listener) == 0

        await eventually(gone)


async def test_two_processes_sweep_what_one_leaves(stack: Stack):
    """A listener that has not begun yet takes nothing over: nobody may change its revision."""
    await stack.gateway.deploy("ship", ON)
    first = await stack.gateway.listen("ship")
    async with stack.orchestrator():
        await listening(stack, first)
        await post(stack, [event("paid", "a")])
        await read(stack, first, 1)
    await lose(stack.gateway.pool, "runs", id=first)
    second = await stack.gateway.listen("ship")
    rows = PostgresCollections(stack.gateway.pool, RandomIds(), 30)
    assert await rows.orphaned() == [first]
    assert await rows.hand_over(first, 10) == (0, None)
    await overwrite(stack.gateway.pool, "runs", {"id": second}, revision=1)
    assert await rows.hand_over(first, 10) == (1, second)
    assert await rows.hand_over(first, 10) == (0, None)
    assert await stack.gateway.count("inbox", second) == 1


async def test_large_collections_are_handed_over_and_given_up_a_few_at_a_time(stack: Stack):
    await stack.gateway.deploy("ship", ON)
    gone, listener = stack.gateway.ids.uuid7(), await stack.gateway.listen("ship")
    await overwrite(stack.gateway.pool, "runs", {"id": listener}, revision=1)
    namespace = await stack.gateway.pool.fetchval("select namespace from schedule_listeners")
    for number in range(5):
        large = event("paid", str(number)) | {"data": "x" * (400 * 1024)}
        body = msgspec.json.encode({"consumed": [large]})
        await plant(
            stack.gateway.pool, "collections", run=gone, key=str(number), tenant=TENANT, namespace=namespace,
            name="ship", body=body, size=len(body), began_at=datetime.now(UTC) - timedelta(days=40),
        )  # fmt: skip
    rows = PostgresCollections(stack.gateway.pool, RandomIds(), 30)
    assert await rows.hand_over(gone, 10) == (3, listener)
    assert await stack.gateway.count("collections", gone) == 2
    large = await stack.gateway.pool.fetchval("select max(size) from collections")
    await overwrite(stack.gateway.pool, "collections", {}, size=large * 10)
    assert len(await rows.give_up(gone, 10)) == 1
    assert await rows.hand_over(gone, 10) == (1, listener)
    assert await stack.gateway.count("inbox", listener) == 4
