"""Items in batches of bounded weight."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], weigh: Callable[[T], int], weight_max: int) -> Iterator[list[T]]:
    """The items in their order; one that is heavier than a batch stands alone."""
    batch: list[T] = []
    total = 0
    for item in items:
        weight = weigh(item)
        if batch and total + weight > weight_max:
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += weight
    if batch:
        yield batch
