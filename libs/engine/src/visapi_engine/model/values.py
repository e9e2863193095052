"""Values of a program that may contain expressions."""

from typing import Any

import msgspec


class Literal(msgspec.Struct, frozen=True, tag="lit"):
    """A constant; strings that are not `${ … }` are constants too."""

    value: Any


class Jq(msgspec.Struct, frozen=True, tag="jq", omit_defaults=True):
    """One runtime expression, without its `${ }`."""

    source: str
    otherwise: str | None = None
    """In loose mode, the text itself: the value if the evaluation fails."""


class Record(msgspec.Struct, frozen=True, tag="obj"):
    """An object in which at least one value is not constant."""

    fields: dict[str, "Template"]


class Sequence(msgspec.Struct, frozen=True, tag="arr"):
    """An array in which at least one item is not constant."""

    items: list["Template"]


Template = Literal | Jq | Record | Sequence
