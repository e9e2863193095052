"""Items in batches of bounded weight."""

import pytest

from visapi_common.core.batches import batches


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([], []),
        ([1, 2, 3, 4], [[1, 2, 3], [4]]),
        ([9, 1, 1], [[9], [1, 1]]),
        ([1, 9, 1], [[1], [9], [1]]),
        ([6, 0, 1], [[6, 0], [1]]),
    ],
)
def test_a_batch_is_as_heavy_as_may_be_or_one_item(weights: list[int], expected: list[list[int]]):
    assert list(batches(weights, lambda weight: weight, 6)) == expected
