"""GCRA against a plain model: never more than burst plus rate times time."""

from hypothesis import given
from hypothesis import strategies as st

from visapi_gateway.kernel.access.rates import Limit, admit


@given(
    st.floats(0.5, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=200),
)
def test_no_window_lets_through_more_than_burst_and_rate_allow(
    per_s: float, burst: int, gaps: list[float]
) -> None:
    limit, arrival, now = Limit(per_s, burst), None, 1000.0
    allowed: list[float] = []
    for gap in gaps:
        now += gap
        verdict = admit(limit, arrival, now)
        arrival = verdict.arrival
        if verdict.allowed:
            allowed.append(now)
        else:
            assert verdict.retry_after_s > 0
    for first, start in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= burst + per_s * (allowed[last] - start) + 1e-6


def test_a_refused_caller_is_let_in_after_the_wait_it_was_told() -> None:
    limit, arrival = Limit(2.0, 3), None
    for _ in range(3):
        verdict = admit(limit, arrival, 10.0)
        assert verdict.allowed
        arrival = verdict.arrival
    refused = admit(limit, arrival, 10.0)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert admit(limit, refused.arrival, 10.0 + refused.retry_after_s + 1e-9).allowed
