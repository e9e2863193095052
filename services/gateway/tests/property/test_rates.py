"""GCRA against a plain model: never more than burst plus rate times time, however many tokens are leased at once."""

from hypothesis import given
from hypothesis import strategies as st

from visapi_gateway.rates.rules.gcra import Limit, lend
from visapi_gateway.rates.rules.policies import quota_slice, rate_slice

LIMITS = st.builds(Limit, st.floats(0.5, 1000), st.integers(1, 50))


@given(LIMITS, st.lists(st.tuples(st.floats(0, 2), st.integers(1, 60)), min_size=1, max_size=100))
def test_no_window_lets_through_more_than_burst_and_rate_allow(
    limit: Limit, asked: list[tuple[float, int]]
) -> None:
    arrival, now = None, 1000.0
    granted: list[tuple[float, int]] = []
    for gap, wanted in asked:
        now += gap
        lease, arrival = lend(limit, arrival, now, wanted)
        assert 0 <= lease.granted <= wanted
        assert lease.granted == wanted or lease.left(limit) == 0
        granted.append((now, lease.granted))
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            taken = sum(tokens for _, tokens in granted[first : last + 1])
            assert taken <= limit.burst + limit.per_s * (granted[last][0] - granted[first][0]) + 1e-3


@given(LIMITS, st.floats(0, 100))
def test_a_refused_caller_is_let_in_after_the_wait_it_was_told(limit: Limit, later: float) -> None:
    _, arrival = lend(limit, None, 10.0, limit.burst)
    refused, arrival = lend(limit, arrival, 10.0, 1)
    assert (refused.granted, refused.left(limit)) == (0, 0)
    admitted, _ = lend(limit, arrival, 10.0 + refused.next_in_s(limit) + later, 1)
    assert admitted.granted == 1


@given(LIMITS, st.floats(0, 1e6))
def test_a_clock_that_is_put_back_closes_a_rate_for_a_window_at_most(limit: Limit, back: float) -> None:
    _, arrival = lend(limit, None, 2e6, limit.burst)
    now = 2e6 - back
    none, arrival = lend(limit, arrival, now, 1)
    assert none.granted == 0
    all_of_it, _ = lend(limit, arrival, now + limit.window_s, limit.burst)
    assert all_of_it.granted == limit.burst


@given(st.floats(0.01, 1e6), st.integers(1, 10_000_000), st.integers(0, 10**12))
def test_three_gateways_hold_less_than_a_twentieth_of_a_burst(per_s: float, burst: int, left: int) -> None:
    assert 3 * rate_slice(Limit(per_s, burst)) <= 0.05 * burst
    assert quota_slice(left) <= 0.05 * left
