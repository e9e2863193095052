"""Shared places against the plain rule."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core.shares import Share

HOLDERS = st.sampled_from("abcd")


@given(
    total=st.integers(1, 12),
    each=st.one_of(st.none(), st.integers(1, 12)),
    steps=st.lists(st.tuples(HOLDERS, st.booleans()), max_size=80),
)
def test_places_are_never_overdrawn_and_the_last_ones_stay_for_those_who_hold_few(
    total: int, each: int | None, steps: list[tuple[str, bool]]
) -> None:
    share, held = Share(total, each), Counter[str]()
    for who, takes in steps:
        if takes:
            free = total - held.total()
            got = share.take(who)
            assert got == (held[who] < min(free, total if each is None else each))
            held[who] += got
        elif held[who]:
            share.give_back(who)
            held[who] -= 1
        assert share.used == held.total() <= total
        assert share.held(who) == held[who]


@given(total=st.integers(2, 1000))
def test_one_greedy_holder_leaves_half_to_others(total: int) -> None:
    share = Share(total)
    while share.take("greedy"):
        pass
    assert share.used == (total + 1) // 2
    assert share.take("somebody else")
