"""The text of a query string as the operation's struct. Pure.

A text is converted to the type of its parameter only: `null` does not omit a parameter, and a number is not a
time.
"""

import re
import types
import typing
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec

_FIELDS_MAX = 50
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_LAX = (int, float, bool)
"""Types that are not written like JSON strings."""


class QueryError(Exception):
    """A mistake in a query string."""


def read_query(raw: bytes, struct: type[msgspec.Struct] | None) -> Any:
    """Raises `QueryError` for unknown, repeated and wrong parameters."""
    known = {} if struct is None else _parameters(struct)
    given: dict[str, list[str]] = {}
    for name, value in _pairs(raw):
        if name not in known:
            allowed = f"known here: {', '.join(known)}" if known else "the operation has none"
            raise QueryError(f"unknown query parameter {name[:60]!r}; {allowed}")
        if "\0" in value:
            raise QueryError(f"query parameter {name!r} holds the character U+0000")
        given.setdefault(name, []).append(value)
    if struct is None:
        return None
    fields = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}
    return struct(**{fields[name]: _read(name, values, known[name]) for name, values in given.items()})


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX
        )
    except ValueError:
        raise QueryError("the query string cannot be read; percent-encode it as UTF-8") from None


def _read(name: str, values: list[str], kind: Any) -> Any:
    several = typing.get_origin(_bare(kind)) is list
    if len(values) > 1 and not several:
        raise QueryError(f"query parameter {name!r} is repeated; give it once")
    if _bare(kind) is int and _INTEGER.fullmatch(values[0]) is None:
        raise QueryError(
            f"query parameter {name!r} is wrong: write an integer in digits, not {values[0][:60]!r}"
        )
    try:
        value = msgspec.convert(values if several else values[0], kind, strict=_bare(kind) not in _LAX)
        if isinstance(value, datetime) and value.tzinfo is not None:
            # A time of the first or the last day may not be representable in UTC, in which times are
            # compared.
            value.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError) as wrong:
        raise QueryError(f"query parameter {name!r} is wrong: {wrong}") from None
    return value


@cache
def _parameters(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Each parameter's type by its name in the query, without the None that stands for its absence."""
    hints = typing.get_type_hints(struct, include_extras=True)
    return {field.encode_name: _present(hints[field.name]) for field in msgspec.structs.fields(struct)}


def _present(kind: Any) -> Any:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        members = [member for member in typing.get_args(kind) if member is not type(None)]
        return members[0] if len(members) == 1 else typing.Union[tuple(members)]  # noqa: UP007 (made at run time)
    return kind


def _bare(kind: Any) -> Any:
    return _bare(typing.get_args(kind)[0]) if typing.get_origin(kind) is Annotated else kind
