"""One bad item costs itself only."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core.errors import ContentFault, OperatorFault, TransientFault
from visapi_common.runtime.isolation import Isolation, kept_alive
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.setup import open_metrics


@pytest.fixture
def metrics() -> Metrics:
    return open_metrics()


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


class Table:
    """Takes a batch whole or not at all, as PostgreSQL does; negative numbers are refused."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.rows: list[int] = []
        self.tries = 0
        self.dead: list[int] = []
        self.failure = failure

    async def write(self, items: Sequence[int]) -> None:
        self.tries += 1
        if self.failure is not None:
            raise self.failure
        if any(item < 0 for item in items):
            raise ContentFault("negative")
        self.rows += items

    async def bury(self, item: int, error: Exception) -> None:
        assert isinstance(error, ContentFault)
        self.dead.append(item)


@given(items=st.lists(st.integers(-3, 30), max_size=64))
def test_the_good_ones_are_done_once_in_order_and_the_bad_ones_set_aside(items: list[int]):
    table = Table()
    sorted_ = asyncio.run(Isolation("test", open_metrics()).each(items, table.write, table.bury))
    assert table.rows == sorted_.done == [item for item in items if item >= 0]
    assert table.dead == sorted_.quarantined == [item for item in items if item < 0]
    assert sorted_.left == []
    assert sorted_.fault is None


async def test_one_bad_one_among_256_costs_a_few_more_tries(metrics: Metrics):
    table = Table()
    result = await Isolation("test", metrics).each([*range(255), -1], table.write, table.bury)
    assert len(result.done) == 255
    assert table.tries <= 2 * 8 + 1
    assert counted(metrics, "visapi_quarantined_total", loop="test") == 1


@pytest.mark.parametrize(
    ("fault", "alarms"), [(TransientFault("away"), 0), (OperatorFault("no grant", sort="42"), 1)]
)
async def test_what_is_nobodys_contents_leaves_everything_for_the_next_round(
    metrics: Metrics, fault: Exception, alarms: int
):
    table = Table(fault)
    result = await Isolation("test", metrics).each([1, -2, 3], table.write, table.bury)
    assert (result.done, result.quarantined, result.left) == ([], [], [1, -2, 3])
    assert result.fault is fault
    assert table.tries == 1
    alarm = {"loop": "test", "class": "42"}
    assert counted(metrics, "visapi_operator_faults_total", **alarm) == alarms


async def test_an_item_that_cannot_be_set_aside_is_left_and_its_neighbours_go_on(metrics: Metrics):
    table = Table()

    async def bury(item: int, error: Exception) -> None:
        raise ContentFault("the dead letter is refused too")

    result = await Isolation("test", metrics).each([1, -2, 3], table.write, bury)
    assert (result.done, result.left, result.fault) == ([1, 3], [-2], None)


async def test_while_the_quarantine_cannot_be_reached_the_rest_waits(metrics: Metrics):
    table = Table()

    async def bury(item: int, error: Exception) -> None:
        raise TransientFault("away")

    result = await Isolation("test", metrics).each([1, -2, 3, 4], table.write, bury)
    assert (result.done, result.left) == ([1], [-2, 3, 4])
    assert isinstance(result.fault, TransientFault)


async def test_a_loop_that_an_error_ends_is_begun_again(metrics: Metrics):
    begun: list[int] = []

    async def loop() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")

    await kept_alive("test", loop, metrics)
    assert len(begun) == 3
    assert counted(metrics, "visapi_loop_restarts_total", loop="test") == 2


async def test_a_cancelled_loop_ends(metrics: Metrics):
    task = asyncio.create_task(kept_alive("test", asyncio.Event().wait, metrics))  # pyright: ignore[reportArgumentType]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
