"""jq's operators on JSON values, where the answer is certain; otherwise `Defer`.

`Defer` stands for errors (jq words them), doubles that jq prints its own way, integers beyond 2^53 (exact as
literals, rounded once computed), negative zero, and the rarer overloads.
"""

from math import copysign, isfinite
from typing import Any, cast
from urllib.parse import quote

EXACT_MAX = 1 << 53


class Defer(Exception):
    """Let jq decide."""


_KIND: dict[type[Any], int] = {type(None): 0, bool: 1, int: 2, float: 2, str: 3, list: 4, dict: 5}
_NUMBER, _STRING, _ARRAY, _OBJECT = 2, 3, 4, 5
_NAMES = ("null", "boolean", "number", "string", "array", "object")


def _kind(value: Any) -> int:
    kind = _KIND.get(cast("type[Any]", type(value)))
    if kind is None:
        raise Defer
    return kind


def kind_name(value: Any) -> str:
    """Jq's `type`."""
    return _NAMES[_kind(value)]


def _exact(value: float) -> int | float:
    """An operand whose double is its value."""
    if type(value) is int and not -EXACT_MAX < value < EXACT_MAX:
        raise Defer
    return value


def _computed(value: float) -> int | float:
    """A computed number as jq would print it: whole doubles are integers."""
    if isinstance(value, int):
        return _exact(value)
    if not isfinite(value):
        raise Defer
    if not value.is_integer():
        return value
    if abs(value) >= EXACT_MAX or (value == 0.0 and copysign(1.0, value) < 0):
        raise Defer
    return int(value)


def equal(left: Any, right: Any) -> bool:
    """`==`: deep, and 1 equals 1.0 but not true."""
    kind = _kind(left)
    if kind != _kind(right):
        return False
    if kind == _NUMBER:
        return _exact(left) == _exact(right)
    if kind == _ARRAY:
        return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right, strict=True))
    if kind == _OBJECT:
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    return bool(left == right)


def less(left: Any, right: Any) -> bool:
    """`<` in jq's order of types: null, booleans, numbers, strings, arrays, objects."""
    kind, other = _kind(left), _kind(right)
    if kind != other:
        return kind < other
    if kind == _NUMBER:
        return bool(_exact(left) < _exact(right))
    if kind in (_ARRAY, _OBJECT):
        raise Defer
    return kind != 0 and bool(left < right)


def _numbers(left: Any, right: Any) -> bool:
    if _kind(left) != _NUMBER or _kind(right) != _NUMBER:
        return False
    _exact(left)
    _exact(right)
    return True


def add(left: Any, right: Any) -> Any:
    if type(left) is str and type(right) is str:
        return left + right
    if left is None:
        return right
    if right is None:
        return left
    if _numbers(left, right):
        return _computed(left + right)
    kind = _kind(left)
    if kind == _kind(right) and kind == _ARRAY:
        return left + right
    if kind == _kind(right) and kind == _OBJECT:
        return {**cast("dict[str, Any]", left), **cast("dict[str, Any]", right)}
    raise Defer


def subtract(left: Any, right: Any) -> Any:
    if _numbers(left, right):
        return _computed(left - right)
    raise Defer


def multiply(left: Any, right: Any) -> Any:
    if not _numbers(left, right):
        raise Defer
    product = left * right
    if product == 0 and (left < 0 or right < 0):
        raise Defer
    return _computed(product)


def divide(left: Any, right: Any) -> Any:
    if not _numbers(left, right) or right == 0 or left == 0:
        raise Defer
    return _computed(left / right)


def modulo(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int and 0 <= left < EXACT_MAX and 0 < right < EXACT_MAX:
        return left % right
    raise Defer


def negate(value: Any) -> Any:
    if _kind(value) != _NUMBER or value == 0:
        raise Defer
    return -_exact(value)


def index(value: Any, key: Any) -> Any:
    """`value[key]` for a name or a position; null has everything, as null."""
    if type(key) is str:
        if type(value) is dict:
            return cast("dict[str, Any]", value).get(key)
    elif type(key) is int:
        if type(value) is list:
            items = cast("list[Any]", value)
            return items[key] if -len(items) <= key < len(items) else None
    else:
        raise Defer
    if value is None:
        return None
    raise Defer


def text(value: Any) -> str:
    """`tostring`, and what an interpolation inserts."""
    kind = _kind(value)
    if kind == _STRING:
        return value
    if value is None:
        return "null"
    if kind == 1:
        return "true" if value else "false"
    if type(value) is int:
        return str(_exact(value))
    raise Defer


def uri_text(value: Any) -> str:
    """`@uri`: everything but RFC 3986's unreserved characters percent-encoded."""
    plain = text(value)
    try:
        return quote(plain, safe="")
    except UnicodeEncodeError as error:
        raise Defer from error


def length(value: Any) -> int:
    kind = _kind(value)
    if kind == 0:
        return 0
    if kind >= _STRING:
        return len(value)
    raise Defer


def truthy(value: Any) -> bool:
    return value is not None and value is not False
