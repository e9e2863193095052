"""`kill -9` of an orchestrator that collects events apart: no event is lost, each order starts one run."""

import random
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
import pytest

from faults.collecting_checker import Collected, judge_collected
from kit.orchestration import TENANT, Stack, eventually
from kit.orchestrator_process import orchestrator_process
from visapi_common.contracts import subjects

pytestmark = pytest.mark.timeout(300)

TYPES = ("packed", "paid")
ON = """
schedule:
  on:
    all:
      - {with: {type: paid}, correlate: {order: {from: .data.order}}}
      - {with: {type: packed}, correlate: {order: {from: .data.order}}}
do: [{ship: {set: {order: '${ .[0].data.order }', events: '${ [.[].type] }'}}}]
"""
ORDERS = [f"o-{number:03}" for number in range(150)]
KILLS = 3
_MATCHED = "select count(*) from events_in where matched_at is not null"
_OPEN = "select count(*) from runs where not quiet"
_LEFT = """
select (select count(*) from events_in where matched_at is null) as "events_in",
    (select count(*) from inbox) as "inbox",
    (select count(*) from collections) as "collections",
    (select count(*) from dead_letters) as "dead_letters"
"""


def event(kind: str, order: str) -> dict[str, Any]:
    head = {"specversion": "1.0", "id": f"{kind}-{order}", "source": "/shop", "type": kind}
    return {**head, "data": {"order": order}}


async def post(stack: Stack, events: list[dict[str, Any]]) -> None:
    for first in range(0, len(events), 10):
        await stack.gateway.rows.put_events(TENANT, *events[first : first + 10])
    stack.gateway.bus.publish(subjects.CONTROL_EVENTS, b"")


async def left(stack: Stack) -> dict[str, int]:
    row = await stack.gateway.pool.fetchrow(_LEFT)
    assert row is not None
    return dict(row)


async def seen(stack: Stack) -> Collected:
    """What became of the events, once nothing is left of them; else what is left."""
    pool = stack.gateway.pool

    async def quiet() -> bool:
        return await pool.fetchval(_OPEN) == 0 and sum((await left(stack)).values()) == 0

    with suppress(AssertionError):
        await eventually(quiet)
    outputs = [
        msgspec.json.decode(row["output"])["inline"]
        for row in await pool.fetch("select output from runs_done where not quiet")
    ]
    started = [(one["order"], one["events"]) for one in outputs]
    return Collected(ORDERS, started, await pool.fetchval(_OPEN), await left(stack))


@pytest.mark.full
async def test_no_event_is_lost_and_no_run_started_twice_when_the_orchestrator_is_killed(
    stack: Stack,
) -> None:
    await stack.gateway.deploy("ship", ON)
    listener: UUID = await stack.gateway.listen("ship")
    orchestrator = orchestrator_process(stack)
    orchestrator.start()
    await eventually(lambda: listens(stack, listener))
    events = [event(kind, order) for order in ORDERS for kind in TYPES]
    random.Random(11).shuffle(events)
    part = len(events) // (KILLS + 1)
    interrupted = 0
    try:
        for number in range(KILLS):
            matched = await stack.gateway.pool.fetchval(_MATCHED)
            await post(stack, events[number * part : (number + 1) * part])
            await eventually(lambda before=matched: grown(stack, before))
            orchestrator.kill()
            rows = await left(stack)
            interrupted += rows["events_in"] + rows["inbox"] > 0
            # Producers that got no answer post again.
            await post(stack, events[: number * part : 7])
            orchestrator.start()
        await post(stack, events[KILLS * part :])
        assert judge_collected(await seen(stack), TYPES) == []
        assert interrupted, "each kill came when everything was done"
    finally:
        orchestrator.kill()


async def listens(stack: Stack, listener: UUID) -> bool:
    return await stack.gateway.count("subscriptions", listener) == len(TYPES)


async def grown(stack: Stack, before: int) -> bool:
    return await stack.gateway.pool.fetchval(_MATCHED) > before


WHOLE = Collected(["a", "b"], [("a", TYPES), ("b", TYPES)], 0, {"collections": 0})


def test_one_run_of_each_order_is_no_violation() -> None:
    assert judge_collected(WHOLE, TYPES) == []


@pytest.mark.parametrize(
    ("defect", "sentence"),
    [
        (replace(WHOLE, runs=WHOLE.runs[:1]), "order b started no run"),
        (replace(WHOLE, runs=[*WHOLE.runs, WHOLE.runs[0]]), "order a started 2 runs"),
        (replace(WHOLE, runs=[*WHOLE.runs, ("c", TYPES)]), "order c was never placed"),
        (replace(WHOLE, runs=[WHOLE.runs[0], ("b", ("paid", "paid"))]), "started by paid, paid"),
        (replace(WHOLE, left={"collections": 1}), "1 rows are left in collections"),
        (replace(WHOLE, open_runs=2), "2 runs are open"),
    ],
)
def test_a_planted_defect_of_collecting_is_found(defect: Collected, sentence: str) -> None:
    assert sentence in " ".join(judge_collected(defect, TYPES))
