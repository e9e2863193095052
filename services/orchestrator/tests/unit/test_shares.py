"""Shares of a function's slots: whatever one tenant wants, a tenant that comes later finds room."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from visapi_orchestrator.tasks.rules.shares import Shares, Slots, allot

TENANTS = st.sampled_from(["a", "b", "c", "d"])
ROOMY = 10_000


@given(st.dictionaries(TENANTS, st.integers(1, 20)), st.integers(0, 40), st.one_of(st.just(""), TENANTS))
def test_turns_differ_by_one_at_most_but_for_want_of_tasks(
    waiting: dict[str, int], room: int, last: str
) -> None:
    given_, _ = allot(waiting, room, last, Shares(), ROOMY)
    assert sum(given_.values()) == min(room, sum(waiting.values()))
    for one, most in waiting.items():
        mine = given_.get(one, 0)
        assert mine <= most
        assert mine == most or all(mine >= other - 1 for other in given_.values())


def test_with_room_for_one_each_comes_in_turn() -> None:
    last, served = "", list[str]()
    for _ in range(6):
        given_, last = allot({"a": 9, "b": 9, "c": 9}, 1, last, Shares(), ROOMY)
        served += given_
    assert served == ["a", "b", "c"] * 2


def test_one_tenant_alone_gets_half_of_all_slots() -> None:
    shares = Shares()
    assert sum(shares.take("a", 100) for _ in range(500)) == 50


def test_every_tenant_that_comes_later_finds_a_slot_while_any_is_free() -> None:
    shares = Shares()
    got = Counter[str]()
    for tenant in ("a", "b", "c", "d", "e", "f"):
        got[tenant] = sum(shares.take(tenant, 64) for _ in range(500))
    assert got == {"a": 32, "b": 16, "c": 8, "d": 4, "e": 2, "f": 1}


@given(st.lists(TENANTS, max_size=300), st.integers(1, 50))
def test_no_tenant_holds_more_than_was_free_when_its_last_slot_was_taken(
    asked: list[str], slots: int
) -> None:
    shares, held = Shares(), Counter[str]()
    for tenant in asked:
        free = slots - sum(held.values())
        if shares.take(tenant, slots):
            assert held[tenant] == 0 or held[tenant] < free
            held[tenant] += 1
    # Each further tenant is let in with one task at least, however full the workers are.
    assert shares.take("newcomer", slots)


def test_a_tenant_with_tasks_held_back_sends_none_past_those() -> None:
    shares = Shares()
    shares.hold("a")
    assert not shares.admit("a", ROOMY)
    assert shares.admit("b", ROOMY)


def test_a_tenant_is_no_longer_held_back_once_three_looks_found_nothing() -> None:
    shares = Shares()
    assert [shares.admit("a", 2) for _ in range(2)] == [True, False]
    for _ in range(2):
        shares.looked({})
        assert shares.holding
    shares.looked({"a": 0})
    assert not shares.holding
    shares.counted({})
    assert shares.admit("a", 2)


def test_the_ledger_corrects_what_was_counted_here() -> None:
    shares = Shares()
    for _ in range(50):
        shares.take("a", 100)
    shares.counted({"a": 3})
    assert sum(shares.take("a", 100) for _ in range(500)) == 47


def test_slots_are_those_of_the_workers_heard_of_lately() -> None:
    slots = Slots(known=7)
    assert slots.total(0.0) == 7
    slots.announced("one", 16, 0.0)
    slots.announced("two", 16, 30.0)
    assert slots.total(30.0) == 32
    assert slots.total(50.0) == 16
    assert slots.total(200.0) == 7
