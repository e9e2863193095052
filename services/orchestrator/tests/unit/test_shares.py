"""Shares of a function's slots: whatever one tenant wants, a tenant that comes later finds room."""

from hypothesis import given
from hypothesis import strategies as st

from visapi_orchestrator.tasks.rules.shares import Slots, allot

TENANTS = st.sampled_from(["a", "b", "c", "d"])
ROOMY = 10_000


def given_to(
    waiting: dict[str, int],
    room: int,
    last: str = "",
    *,
    sent: dict[str, int] | None = None,
    slots: int = ROOMY,
) -> dict[str, int]:
    return allot(waiting, sent or {}, room=room, slots=slots, last=last).given


@given(st.dictionaries(TENANTS, st.integers(1, 20)), st.integers(0, 40), st.one_of(st.just(""), TENANTS))
def test_turns_differ_by_one_at_most_but_for_want_of_tasks(
    waiting: dict[str, int], room: int, last: str
) -> None:
    given_ = given_to(waiting, room, last)
    assert sum(given_.values()) == min(room, sum(waiting.values()))
    for one, most in waiting.items():
        mine = given_.get(one, 0)
        assert mine <= most
        assert mine == most or all(mine >= other - 1 for other in given_.values())


def test_with_room_for_one_each_comes_in_turn() -> None:
    last, served = "", list[str]()
    for _ in range(6):
        allotted = allot({"a": 9, "b": 9, "c": 9}, {}, room=1, slots=ROOMY, last=last)
        served += allotted.given
        last = allotted.last
        assert allotted.short
    assert served == ["a", "b", "c"] * 2


def test_one_tenant_alone_gets_half_of_all_slots() -> None:
    allotted = allot({"a": 500}, {}, room=1000, slots=100, last="")
    assert allotted == ({"a": 50}, "a", {"a"}, False)


def test_every_tenant_that_comes_later_finds_a_slot_while_any_is_free() -> None:
    sent = dict[str, int]()
    for tenant in ("a", "b", "c", "d", "e", "f"):
        sent |= given_to({tenant: 500}, 1000, sent=sent, slots=64)
    assert sent == {"a": 32, "b": 16, "c": 8, "d": 4, "e": 2, "f": 1}


@given(
    st.dictionaries(TENANTS, st.integers(1, 60), min_size=1),
    st.dictionaries(TENANTS, st.integers(0, 20)),
    st.integers(0, 80),
    st.integers(1, 50),
)
def test_no_tenant_holds_more_than_was_free_when_its_last_slot_was_taken(
    waiting: dict[str, int], sent: dict[str, int], room: int, slots: int
) -> None:
    allotted = allot(waiting, sent, room=room, slots=slots, last="")
    total = sum(sent.values()) + sum(allotted.given.values())
    for tenant, number in allotted.given.items():
        held = sent.get(tenant, 0) + number
        # When it took its last slot, at most what is free now and the slots taken after it were free.
        assert held == 1 or held - 1 < slots - total + sum(allotted.given.values())
    # Each further tenant is let in with one task at least, however full the workers are.
    after = {name: sent.get(name, 0) + allotted.given.get(name, 0) for name in {*sent, *allotted.given}}
    assert given_to({"newcomer": 1}, 1, sent=after, slots=slots) == {"newcomer": 1}


@given(st.dictionaries(TENANTS, st.integers(1, 60), min_size=1), st.integers(1, 80), st.integers(1, 50))
def test_what_is_left_waits_for_room_or_for_its_own_tenant(
    waiting: dict[str, int], room: int, slots: int
) -> None:
    allotted = allot(waiting, {}, room=room, slots=slots, last="")
    left = {name for name, number in waiting.items() if allotted.given.get(name, 0) < number}
    assert allotted.over_share <= left
    assert allotted.short == bool(left - allotted.over_share)
    assert allotted.all_given == (not left)
    assert not allotted.short or sum(allotted.given.values()) == room


def test_slots_are_those_of_the_workers_heard_of_lately() -> None:
    slots = Slots(known=7)
    assert slots.total(0.0) == 7
    slots.announced("one", 16, 0.0)
    slots.announced("two", 16, 30.0)
    assert slots.total(30.0) == 32
    assert slots.total(50.0) == 16
    assert slots.total(200.0) == 7
