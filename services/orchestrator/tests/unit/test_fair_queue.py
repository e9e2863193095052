"""Turns among tenants: none waits behind another's whole backlog, and nothing is lost on the way."""

from hypothesis import given
from hypothesis import strategies as st

from visapi_orchestrator.kernel.rules.fair_queue import FairQueue, Window

TENANTS = st.sampled_from(["a", "b", "c", "d"])


def test_one_of_each_tenant_is_taken_in_turn() -> None:
    queue = FairQueue[str]()
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        queue.put(item[0], item)
    assert queue.take(4) == ["a1", "b1", "c1", "a2"]
    assert queue.take(9) == ["c2", "a3"]
    assert len(queue) == 0


def test_who_comes_later_waits_for_one_turn_only() -> None:
    queue = FairQueue[str]()
    for n in range(1000):
        queue.put("a", f"a{n}")
    queue.take(10)
    queue.put("b", "b0")
    assert "b0" in queue.take(2)


def test_those_of_whom_few_wait_are_taken_before_their_turn() -> None:
    queue = FairQueue[str]()
    for item in ("a1", "a2", "a3", "b1", "c1", "c2", "d1"):
        queue.put(item[0], item)
    assert queue.take_of(4, lambda tenant, waiting: waiting < 3 and tenant != "d") == ["b1", "c1", "c2"]
    assert queue.take_of(1, lambda _tenant, _waiting: True) == ["a1"]
    assert queue.take(9) == ["a2", "d1", "a3"]
    assert len(queue) == 0


def test_what_is_too_much_is_dropped_of_who_has_most_and_came_last() -> None:
    queue = FairQueue[str]()
    for item in ("a1", "a2", "a3", "b1"):
        queue.put(item[0], item)
    assert [queue.drop(), queue.drop()] == ["a3", "a2"]
    queue.put("c", "c1")
    assert queue.take(9) == ["a1", "b1", "c1"]
    queue.put("a", "a4")
    assert (queue.drop(), len(queue), queue.take(1)) == ("a4", 0, [])


@given(st.lists(st.one_of(TENANTS, st.integers(1, 5))))
def test_each_tenants_own_order_is_kept_and_nothing_is_lost(steps: list[str | int]) -> None:
    queue = FairQueue[tuple[str, int]]()
    put: list[tuple[str, int]] = []
    taken: list[tuple[str, int]] = []
    for step in steps:
        if isinstance(step, int):
            taken += queue.take(step)
        else:
            put.append((step, len(put)))
            queue.put(step, put[-1])
        assert len(queue) == len(put) - len(taken)
    taken += queue.take(len(put))
    for tenant in "abcd":
        assert [one for one in taken if one[0] == tenant] == [one for one in put if one[0] == tenant]


def test_a_short_burst_finds_room_while_none_is_held() -> None:
    window = Window()
    assert window.room == Window.FREE
    window.released(Window.FREE, short=True)
    window.seen(1)
    assert window.room == Window.LEAST - 1


def test_the_window_grows_while_workers_wait_and_shrinks_while_tasks_do() -> None:
    window = Window()
    window.released(Window.FREE, short=True)
    for size in (16, 32, 64):
        window.seen(0)
        assert window.room == size
        window.released(size, short=True)
    for _ in range(50):
        window.seen(window.size)
        window.released(window.room, short=True)
    assert window.size == Window.LEAST


def test_the_window_does_not_grow_beyond_what_is_wanted() -> None:
    window = Window()
    for _ in range(10):
        window.seen(0)
        window.released(3, short=False)
    assert window.size == Window.LEAST


@given(st.lists(st.integers(0, 2000), max_size=50))
def test_there_is_never_room_for_more_than_the_window(queued: list[int]) -> None:
    window = Window()
    window.holding = True
    for number in queued:
        window.seen(number)
        room = window.room
        assert 0 <= room <= Window.MOST
        assert Window.LEAST <= window.size <= Window.MOST
        assert number + room <= max(number, window.size)
        window.released(room, short=True)
