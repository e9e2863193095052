"""JSON (RFC 8259) that refuses duplicate keys, NaN, numbers and depth without limit."""

import json
from typing import Any, NoReturn, cast

from visapi_engine.source.pointers import join
from visapi_engine.source.unreadable import Position, Unreadable


class _Duplicated(dict[str, Any]):
    """An object with a duplicate key; kept until its position is known."""

    key = ""


def read_json(text: str) -> Any:
    """Read the document. Raises `Unreadable`."""
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Unreadable("", error.msg, Position(error.lineno, error.colno)) from error
    except RecursionError as error:
        raise Unreadable("", "values are nested too deeply") from error
    except ValueError as error:
        raise Unreadable("", f"a number cannot be read: {error}") from error
    _refuse_duplicates(data)
    return data


def _no_constant(name: str) -> NoReturn:
    raise Unreadable("", f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    duplicated = _Duplicated(made)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            duplicated.key = key
        seen.add(key)
    return duplicated


def _refuse_duplicates(data: Any) -> None:
    stack: list[tuple[Any, str]] = [(data, "")]
    while stack:
        value, at = stack.pop()
        if isinstance(value, _Duplicated):
            raise Unreadable(join(at, value.key), f'the key "{value.key}" stands twice in one object')
        if isinstance(value, dict):
            stack.extend((inner, join(at, key)) for key, inner in cast(dict[str, Any], value).items())
        elif isinstance(value, list):
            stack.extend((inner, join(at, index)) for index, inner in enumerate(cast(list[Any], value)))
