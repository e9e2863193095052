"""Rows with named columns, and the SQL that takes them as arrays. Pure.

The fields of a row are its columns: a field is stated once, and both the parameters of a statement and the
arrays that are bound to them follow from it. In SQL, `{live} as i` stands for the rows of that name:
`unnest($1::uuid[], $2::int[], …) as i (run, revision, …)`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

SmallInt = Annotated[int, "smallint"]
BigInt = Annotated[int, "bigint"]
UuidText = Annotated[str, "uuid"]
"""A UUID that arrives as text and is a `uuid` in PostgreSQL."""

_SQL_TYPES = {UUID: "uuid", int: "int", str: "text", bytes: "bytea", bool: "bool", datetime: "timestamptz"}
_RELATION = re.compile(r"\{(\w+)\} as (\w+)")
_row_values: Callable[[Any], tuple[object, ...]] = msgspec.structs.astuple


def sql_types(row: type[msgspec.Struct]) -> dict[str, str]:
    """The columns of a row with their PostgreSQL types, in order."""
    hints = get_type_hints(row, include_extras=True)
    return {name: _sql_type(hints[name]) for name in row.__struct_fields__}


def _sql_type(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return get_args(hint)[1]
    if hint in _SQL_TYPES:
        return _SQL_TYPES[hint]
    (given,) = (one for one in get_args(hint) if one is not NoneType)
    return _sql_type(given)


def values_of(row: type[msgspec.Struct]) -> str:
    """The columns and parameters of `insert into <table>` for one row: `(id, …) values ($1, …)`."""
    columns = row.__struct_fields__
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    return f"({', '.join(columns)}) values ({places})"


class Statement:
    """SQL over named relations. Its first `leading` parameters are the caller's own."""

    def __init__(self, sql: str, relations: Mapping[str, type[msgspec.Struct]], *, leading: int = 0) -> None:
        self.leading = leading
        self._taken: dict[str, int] = {}
        count = leading

        def numbered(match: re.Match[str]) -> str:
            nonlocal count
            name, alias = match[1], match[2]
            if name in self._taken:
                raise ValueError(f"the rows of '{name}' are named twice in one statement")
            columns = sql_types(relations[name])
            self._taken[name] = len(columns)
            arrays = [f"${count + n}::{kind}[]" for n, kind in enumerate(columns.values(), start=1)]
            count += len(columns)
            return f"unnest({', '.join(arrays)}) as {alias} ({', '.join(columns)})"

        self.sql = _RELATION.sub(numbered, sql)
        self.relations = frozenset(self._taken)

    def parameters(self, rows: object, *leading: object) -> list[object]:
        """The values to bind: the caller's own parameters, then one array per column. `rows` has a list of
        rows under the name of each relation.
        """
        bound = list(leading)
        for name, width in self._taken.items():
            bound.extend(arrays(getattr(rows, name), width))
        return bound


def arrays(rows: Sequence[msgspec.Struct], width: int) -> Sequence[Sequence[object]]:
    """The rows as columns. Without rows there are `width` empty columns."""
    return list(zip(*map(_row_values, rows), strict=True)) if rows else [()] * width
