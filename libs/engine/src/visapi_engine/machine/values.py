"""Encoded JSON from outside, read once, at the machine's door."""

from typing import Any

import msgspec


class UnreadableValue(Exception):
    """The bytes are no JSON, or nested deeper than can be read; the text says which."""


def read_json(body: bytes, type_: Any = Any) -> Any:
    """Decode JSON, as `type_` where one is given. Raises `UnreadableValue`."""
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise UnreadableValue(str(wrong)) from wrong
