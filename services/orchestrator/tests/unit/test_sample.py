"""How much of a flood is kept."""

from visapi_orchestrator.batches.rules.sample import HOUR_S, Sample


def test_one_in_a_second_and_a_hundred_in_an_hour_are_taken() -> None:
    sample = Sample(every_s=1.0, per_hour=100)
    taken = [tenth / 10 for tenth in range(2 * int(HOUR_S) * 10) if sample.takes(tenth / 10)]
    assert taken == [float(second) for second in range(100)] + [HOUR_S + second for second in range(100)]
