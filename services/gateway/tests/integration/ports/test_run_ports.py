"""`runs.reading.service.RunSource`, `runs.reading.follow.HistorySource`, `runs.bulk.service.FoundRuns`."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from kit.gateway_ports import GatewayGround
from visapi_common.core.ids import time_ms_of
from visapi_gateway.runs.reading.rules.filters import (
    AttributeFilter,
    RunFilter,
    first_id_at,
    read_attributes,
)


async def found(ground: GatewayGround, wanted: RunFilter, before: UUID | None = None) -> list[UUID]:
    return [row.id for row in await ground.runs.runs(ground.tenant, wanted, before, 100)]


async def test_a_run_is_read_as_it_was_accepted_and_by_its_tenant_alone(ground: GatewayGround):
    run = await ground.world.run(ground.tenant)
    row = await ground.runs.run(ground.tenant, run)
    assert (row.id, row.namespace, row.name, row.version) == (run, "test", "flow", "1.0.0")
    assert (row.status, row.revision, row.seq, row.input) == ("pending", 0, 0, b'{"inline":null}')
    assert (row.output, row.ended_at, row.attributes, row.ended) == (None, None, None, False)
    assert await ground.runs.run(ground.other, run) is None
    assert await ground.runs.head(ground.other, run) is None
    assert list(await ground.runs.history(ground.other, run, 0, 10)) == []


async def test_an_ended_run_has_its_output_and_its_end(ground: GatewayGround):
    run = await ground.world.run(ground.tenant)
    await ground.world.advance(run, 2, status="completed")
    row = await ground.runs.run(ground.tenant, run)
    assert (row.status, row.revision, row.seq, row.ended) == ("completed", 1, 2, True)
    assert row.output == b'{"inline":{"ok":true}}'
    assert row.ended_at is not None


async def test_runs_are_found_newest_first_live_and_ended_alike(ground: GatewayGround):
    runs = [await ground.world.run(ground.tenant) for _ in range(4)]
    await ground.world.run(ground.other)
    await ground.world.advance(runs[1], status="completed")
    assert await found(ground, RunFilter()) == runs[::-1]
    assert await found(ground, RunFilter(), before=runs[2]) == [runs[1], runs[0]]
    page = await ground.runs.runs(ground.tenant, RunFilter(), None, 3)
    assert [row.id for row in page] == runs[:0:-1]


async def test_matching_runs_are_counted_to_a_limit(ground: GatewayGround):
    for _ in range(3):
        await ground.world.run(ground.tenant)
    below = ground.world.ids.uuid7()
    await ground.world.run(ground.tenant)
    counted, at = await ground.runs.count(ground.tenant, RunFilter(), below, 10)
    assert (counted, at.tzinfo is not None) == (3, True)
    assert (await ground.runs.count(ground.tenant, RunFilter(), below, 2))[0] == 2


async def test_runs_are_found_by_state_and_workflow(ground: GatewayGround):
    mine, other = await ground.world.run(ground.tenant), await ground.world.run(ground.tenant, "refund")
    await ground.world.advance(other, status="suspended")
    for wanted, expected in (
        (RunFilter(statuses=("pending",)), [mine]),
        (RunFilter(statuses=("suspended", "completed")), [other]),
        (RunFilter(name="refund"), [other]),
        (RunFilter(namespace="test"), [other, mine]),
        (RunFilter(namespace="tes"), []),
        (RunFilter(version="1.0.0", name="flow"), [mine]),
        (RunFilter(version="2.0.0"), []),
    ):
        assert await found(ground, wanted) == expected


async def test_runs_are_found_by_the_time_in_their_id(ground: GatewayGround):
    run = await ground.world.run(ground.tenant)
    row = await ground.runs.run(ground.tenant, run)
    moment = timedelta(milliseconds=1)
    created = row.created_at.replace(microsecond=0) + time_ms_of(run) % 1000 * moment
    assert first_id_at(created) <= run < first_id_at(created + moment)
    assert await found(ground, RunFilter(created_after=created)) == [run]
    assert await found(ground, RunFilter(created_after=created + moment)) == []
    assert await found(ground, RunFilter(created_before=created)) == []


async def test_children_are_found_by_their_parent_and_are_not_on_top(ground: GatewayGround):
    parent = await ground.world.run(ground.tenant)
    child = await ground.world.start_child(parent)
    assert await found(ground, RunFilter(parent=parent)) == [child]
    assert await found(ground, RunFilter(top=True)) == [parent]


@pytest.mark.parametrize(
    ("attributes", "wanted", "matches"),
    [
        ({"customer": "c-1"}, "customer:c-1", True),
        ({"customer": "c-1"}, "customer:c", False),
        ({"customer": "c-1"}, "client:c-1", False),
        ({"amount": 40}, "amount:40", True),
        ({"amount": 40}, "amount>=40", True),
        ({"amount": 40}, "amount>40", False),
        ({"amount": 39.5}, "amount<40", True),
        ({"amount": 40}, "amount<=39", False),
        ({"amount": "40"}, "amount>=1", False),
        ({"paid": True}, "paid:true", True),
        ({"tags": ["new", "big"]}, "tags:big", True),
        ({"tags": ["new", "big"]}, "tags:huge", False),
    ],
)
async def test_runs_are_found_by_their_attributes(
    ground: GatewayGround, attributes: dict[str, Any], wanted: str, matches: bool
):
    run = await ground.world.run(ground.tenant)
    await ground.world.advance(run, attributes=attributes)
    conditions: tuple[AttributeFilter, ...] = read_attributes([wanted])
    assert await found(ground, RunFilter(attributes=conditions)) == ([run] if matches else [])


async def test_runs_are_found_by_the_beginning_of_an_id_or_of_a_value_and_by_part_of_a_value_never(
    ground: GatewayGround,
):
    run = await ground.world.run(ground.tenant)
    await ground.world.advance(run, attributes={"customer": "Mia Marple"})
    await ground.world.run(ground.tenant)
    assert await found(ground, RunFilter(text=str(run))) == [run]
    assert await found(ground, RunFilter(text="mia m")) == [run]
    assert await found(ground, RunFilter(text="marple")) == []


async def test_the_head_of_a_run_tells_its_state_and_last_item(ground: GatewayGround):
    run = await ground.world.run(ground.tenant)
    await ground.world.advance(run, 3)
    head = await ground.runs.head(ground.tenant, run)
    assert (head.status, head.seq, head.ended, head.retrying) == ("running", 3, False, False)
    await ground.world.advance(run, 1, status="faulted")
    head = await ground.runs.head(ground.tenant, run)
    assert (head.status, head.seq, head.ended, head.retrying) == ("faulted", 4, True, False)
    await ground.world.retry(run)
    head = await ground.runs.head(ground.tenant, run)
    assert (head.ended, head.retrying) == (False, True)


async def test_history_is_read_after_an_item_and_by_transitions(ground: GatewayGround):
    run = await ground.world.run(ground.tenant)
    for items in (2, 3, 1):
        await ground.world.advance(run, items)

    async def seqs(after: int, rows: int) -> list[int]:
        return [item.seq for item in await ground.runs.history(ground.tenant, run, after, rows)]

    assert await seqs(0, 10) == [1, 2, 3, 4, 5, 6]
    assert await seqs(0, 2) == [1, 2, 3, 4, 5]
    assert await seqs(3, 1) == [4, 5]
    assert await seqs(6, 10) == []
    await ground.world.advance(run, 1, status="completed")
    (last,) = await ground.runs.history(ground.tenant, run, 6, 10)
    assert last.text == b'{"seq":7,"type":"task.created"}'
