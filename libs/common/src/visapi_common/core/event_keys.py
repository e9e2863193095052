"""How subscriptions are found: by the attributes that a filter constrains and their values.

A *shape* names attributes of an event, as dotted paths into its structured JSON form (`type`,
`data.orderId`), sorted, one per line; the empty shape matches every event. The *key* of a shape is a
hash of the values. A filter is stored under its shape and key; an event has one key per shape.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode


def shape_and_key(wanted: Mapping[str, Any]) -> tuple[str, bytes]:
    """The shape and the key of a filter that wants these values under these paths."""
    paths = sorted(wanted)
    return "\n".join(paths), hashed([wanted[path] for path in paths])


def key_in(event: Mapping[str, Any], shape: str) -> bytes | None:
    """The event's key for a shape; None when the event lacks an attribute, so that no filter of the shape
    matches.
    """
    values: list[Any] = []
    for path in shape.split("\n") if shape else ():
        value = value_at(event, path)
        if value is None:
            return None
        values.append(value)
    return hashed(values)


def value_at(event: Mapping[str, Any], path: str) -> Any:
    """What stands under a dotted path; None when nothing does."""
    value: Any = event
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(name)
    return value


def hashed(values: list[Any]) -> bytes:
    """The hash of JSON values; equal values have equal hashes."""
    return hashlib.sha256(_encode([_normal(value) for value in values])).digest()


def _normal(value: Any) -> Any:
    """JSON has one kind of number: 1 and 1.0 are equal, so they hash alike."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
