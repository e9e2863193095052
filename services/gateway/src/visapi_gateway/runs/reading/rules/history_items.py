"""Stored history: items whose large outputs may lie in the artifact store. Pure."""

from itertools import groupby

import msgspec

from visapi_common.core.large_values import EnvelopeEntry, Extracted, join, opened

_OUTPUT_DEPTH = 2
"""A value of an item is a member of its `data`."""

_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


class StoredItem(msgspec.Struct, frozen=True):
    """A history item: its number and the JSON in its row. `large` holds the values outside of the row."""

    seq: int
    text: bytes
    large: tuple[EnvelopeEntry, ...] = ()

    @property
    def size(self) -> int:
        """The approximate size of the whole item."""
        return len(self.text) + sum(large.size for large in self.large)


def numbered(first_seq: int, stored: bytes) -> list[StoredItem]:
    """The items of one transition."""
    envelope = opened(stored)
    items = _items(stored if envelope is None else envelope.of)
    large: dict[int, tuple[EnvelopeEntry, ...]] = {}
    if envelope is not None:
        for place, taken in groupby(envelope.large, key=_item_of):
            large[place] = tuple(msgspec.structs.replace(one, at=one.at[1:]) for one in taken)
    return [StoredItem(first_seq + n, bytes(item), large.get(n, ())) for n, item in enumerate(items)]


def whole(item: StoredItem, values: list[bytes]) -> bytes:
    """The item with its large values. Raises `ValueError` when the values do not match the item."""
    pairs = zip(item.large, values, strict=True)
    return join(item.text, [Extracted(large.at, large.n, value) for large, value in pairs])


def without(item: StoredItem) -> bytes:
    """The item with null for each missing value."""
    lost = dict.fromkeys(large.at[:_OUTPUT_DEPTH] for large in item.large)
    return join(item.text, [Extracted(at, 0, b"null") for at in lost])


def _item_of(large: EnvelopeEntry) -> int:
    return large.at[0]
