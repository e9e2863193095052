"""Runs that are advanced apart: tenants take turns, and none takes all the room."""

from uuid import UUID, uuid4

from kit.fakes.deliveries import FakeDelivery
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.slow_runs import AT_ONCE, WAITING_MAX, SlowRuns


def some(number: int, delivery: FakeDelivery | None = None) -> list[RunMessages]:
    return [
        RunMessages(uuid4(), has_waiting_rows=True, receipts=[delivery] if delivery else [])
        for _ in range(number)
    ]


def test_a_tenant_that_comes_later_is_served_with_the_next_few() -> None:
    apart = SlowRuns()
    apart.put([("greedy", messages) for messages in some(100)])
    (late,) = some(1)
    apart.put([("late", late)])
    assert late in apart.take()
    assert len(apart.take()) == AT_ONCE


def test_what_waits_is_known_until_it_is_taken() -> None:
    apart = SlowRuns()
    (messages,) = some(1)
    apart.put([("a", messages)])
    assert messages.run in apart
    assert apart.waiting() == [messages]
    assert apart.take() == [messages]
    assert messages.run not in apart
    assert UUID(int=1) not in apart
    assert apart.take() == []


def test_a_tenant_that_has_its_share_of_the_room_has_the_rest_handed_back() -> None:
    apart, delivery = SlowRuns(), FakeDelivery()
    apart.put([("greedy", messages) for messages in some(WAITING_MAX, delivery)])
    assert len(apart.waiting()) == WAITING_MAX // 2
    assert delivery.fate == ["nak 5"] * (WAITING_MAX // 2)
    (messages,) = some(1, delivery)
    apart.put([("late", messages)])
    assert messages.run in apart
