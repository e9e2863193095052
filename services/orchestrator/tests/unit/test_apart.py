"""Runs that are advanced apart: tenants take turns, and none takes all the room."""

from uuid import UUID, uuid4

from visapi_orchestrator.kernel.rules.messages import Said
from visapi_orchestrator.transitions.apart import AT_ONCE, WAITING_MAX, Apart


class Delivery:
    def __init__(self) -> None:
        self.handed_back = 0

    def ack(self) -> None:
        raise AssertionError("nothing was consumed")

    def nak(self, delay_s: float | None = None) -> None:
        self.handed_back += 1


def some(number: int, delivery: Delivery | None = None) -> list[Said]:
    return [Said(uuid4(), look=True, receipts=[delivery] if delivery else []) for _ in range(number)]


def test_a_tenant_that_comes_later_is_served_with_the_next_few() -> None:
    apart = Apart()
    apart.put([("greedy", said) for said in some(100)])
    (late,) = some(1)
    apart.put([("late", late)])
    assert late in apart.take()
    assert len(apart.take()) == AT_ONCE


def test_what_waits_is_known_until_it_is_taken() -> None:
    apart = Apart()
    (said,) = some(1)
    apart.put([("a", said)])
    assert said.run in apart
    assert apart.waiting() == [said]
    assert apart.take() == [said]
    assert said.run not in apart
    assert UUID(int=1) not in apart
    assert apart.take() == []


def test_a_tenant_that_has_its_share_of_the_room_has_the_rest_handed_back() -> None:
    apart, delivery = Apart(), Delivery()
    apart.put([("greedy", said) for said in some(WAITING_MAX, delivery)])
    assert delivery.handed_back == len(apart.waiting()) == WAITING_MAX // 2
    (said,) = some(1, delivery)
    apart.put([("late", said)])
    assert said.run in apart
