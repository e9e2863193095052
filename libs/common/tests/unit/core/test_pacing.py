"""Work of a tenant beyond its share of the event loop waits; nobody else's does."""

from visapi_common.core.pacing import AHEAD_S, SHARE, Bucket, TenantPacer


class Loop:
    """An event loop that does one piece of work after the other, as the pace lets it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pace = TenantPacer(lambda: self.now)

    def work(self, tenant: str, takes_s: float) -> float:
        """How long the piece had to wait."""
        delay_s, expected_s = self.pace.begin(tenant)
        self.now += delay_s + takes_s
        self.pace.end(tenant, expected_s, takes_s)
        return delay_s


def test_dear_work_takes_its_share_and_no_more() -> None:
    loop = Loop()
    for _ in range(100):
        loop.work("dear", 0.06)
    assert abs(100 * 0.06 / (loop.now + AHEAD_S) - SHARE) < 0.02


def test_cheap_work_never_waits() -> None:
    loop = Loop()
    for _ in range(100):
        assert loop.work("cheap", 0.001) == 0.0
        loop.now += 0.004


def test_a_tenant_beyond_its_share_keeps_no_other_waiting() -> None:
    loop = Loop()
    for _ in range(10):
        loop.work("dear", 0.06)
    assert loop.pace.begin("dear")[0] > 0
    assert loop.work("other", 0.06) == 0.0


def test_pieces_that_begin_together_are_spread() -> None:
    loop = Loop()
    loop.work("dear", 0.06)
    delays = [loop.pace.begin("dear")[0] for _ in range(16)]
    assert delays[-1] > 2.0


def test_schedules_that_are_over_are_forgotten() -> None:
    loop = Loop()
    for n in range(5000):
        loop.work(f"t{n}", 0.001)
        loop.now += 1.0
    assert len(loop.pace._due) < 1100


def test_a_bucket_lets_a_burst_through_and_then_its_rate():
    loop = Loop()
    bucket = Bucket(10, 5, lambda: loop.now)
    assert [round(bucket.take(), 3) for _ in range(8)] == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]
    loop.now += 0.8
    assert [round(bucket.take(), 3) for _ in range(6)] == [0, 0, 0, 0, 0, 0.1]
