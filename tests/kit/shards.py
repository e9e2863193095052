"""Parts of the suite for several machines (`--shard 1/3`): each test in exactly one of them.

Files are dealt out like cards, each layer by itself, so that every part gets its share of the slow layers. Tests that run
alone are dealt out one by one: their files are few and long.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import pytest

from kit.layers import ALONE, LAYERS


class Shard(NamedTuple):
    """Part `number` (from 1) of `of` parts."""

    number: int
    of: int


class Card(NamedTuple):
    """A test: its layer, and what must stay together with it."""

    layer: str
    together: Hashable


def parse(text: str) -> Shard:
    """`2/3`. Raises `ValueError`."""
    found = re.fullmatch(r"([1-9]\d?)/([1-9]\d?)", text)
    if found is None or int(found[1]) > int(found[2]):
        raise ValueError(f"{text!r} is no part of the suite: write 1/3, 2/3 or 3/3 for three parts")
    return Shard(int(found[1]), int(found[2]))


def is_mine(cards: Sequence[Card], shard: Shard) -> list[bool]:
    """Whether each test belongs to the part. Depends on the order of the tests only."""
    dealt: dict[Card, int] = {}
    counts: defaultdict[str, int] = defaultdict(int)
    for card in cards:
        if card not in dealt:
            dealt[card] = counts[card.layer]
            counts[card.layer] += 1
    return [dealt[card] % shard.of == shard.number - 1 for card in cards]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shard", type=parse, help="run one part of the suite, such as 1/3")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of this part, once the tests of a layer are marked."""
    shard = config.getoption("--shard")
    if shard is None:
        return
    mine = is_mine([card(item) for item in items], shard)
    config.hook.pytest_deselected(items=[item for item, keep in zip(items, mine, strict=True) if not keep])
    items[:] = [item for item, keep in zip(items, mine, strict=True) if keep]


def card(item: pytest.Item) -> Card:
    """A test of the layers that run alone is a card of its own, every other one belongs to its file."""
    layer = next((mark.name for mark in item.iter_markers() if mark.name in LAYERS), "")
    return Card(layer, item.nodeid if layer in ALONE else item.path)
