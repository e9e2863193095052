"""How often the levels of queues are read: slow counting is done less often, but never left undone."""

import pytest

from visapi_orchestrator.upkeep.levels import pause_s


@pytest.mark.parametrize(
    ("counting_s", "pause"),
    [(0.0, 5.0), (0.01, 5.0), (0.2, 10.0), (36.0, 30.0)],
    ids=["no store answered", "quick", "slow", "the process was stopped while it counted"],
)
def test_levels_are_read_again_within_half_a_minute(counting_s: float, pause: float):
    assert pause_s(counting_s) == pytest.approx(pause)
