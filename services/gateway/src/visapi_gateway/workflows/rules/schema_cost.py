r"""An upper bound of the cost of validating an input against a JSON Schema. Pure.

The *weight* W of a schema is the number of its keywords, with each `$ref` counted as the schema that it
names. A validator applies each keyword at most once to each value (twice below `anyOf` and `oneOf`, to
collect the errors), and a keyword reads each character of the input at most once. So an input of n bytes
takes at most W · n steps. A schema has a weight only where this is certain: no circular `$ref`, only keywords
of linear cost, no patterns with repeated groups.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

VALID_STEPS = 3_000_000
"""The most steps of a validation in the event loop: 1 to 30 ms."""
ERROR_STEPS = 20_000
"""The most steps of a validation in the event loop that lists mistakes, each of which takes several
microseconds.
"""
WEIGHT_MAX = 20_000
"""A heavier schema has no weight, because compiling it takes too long."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NOTES = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$defs",
    }
)
_PLAIN = frozenset(
    {"type", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    | {"minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains"}
)
_FORMATS = frozenset({"date", "date-time", "time", "duration", "uuid", "ipv4", "ipv6", "email"})
_LISTED = frozenset({"allOf", "prefixItems"})
_TRIED = frozenset({"anyOf", "oneOf"})
_INNER = frozenset(
    {"items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"}
)
_NAMED = frozenset({"properties", "dependentSchemas"})

_PATTERN_MAX = 200
_COUNTED = re.compile(r"\{(\d{1,3})(?:,(\d{1,3}))?\}")
_ESCAPES = re.compile(r"\\([^\w\s]|d)")
_STATES_OF_A_CLASS = 100
"""About as many states `\\d` and a negated class take in an automaton over UTF-8."""


class _Unbounded(Exception):
    """The schema has no weight."""


def weight_of(schema: Any) -> int | None:
    """The weight of a schema, or None where its cost has no such bound."""
    try:
        return _Weigher(schema).weigh(schema)
    except (_Unbounded, RecursionError):
        return None


class _Weigher:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[str, int] = {}
        self._open: set[str] = set()
        self._visits = 0

    def weigh(self, schema: Any) -> int:
        self._visits += 1
        if isinstance(schema, bool):
            return 1
        if not isinstance(schema, dict) or self._visits > WEIGHT_MAX:
            raise _Unbounded
        total = 1
        for keyword, value in cast("dict[str, Any]", schema).items():
            total += 1 + self._keyword(keyword, value)
            if total > WEIGHT_MAX:
                raise _Unbounded
        return total

    def _keyword(self, keyword: str, value: Any) -> int:
        if keyword in _NOTES:
            return self._noted(keyword, value)
        if keyword in _PLAIN:
            return 1
        if keyword in _INNER:
            return self.weigh(value)
        if keyword in _LISTED:
            return self._all(_list(value))
        if keyword in _TRIED:
            return 2 * self._all(_list(value))
        if keyword in _NAMED:
            return self._all(_object(value).values())
        special = _SPECIAL.get(keyword)
        if special is None:
            raise _Unbounded
        return special(self, value)

    def _noted(self, keyword: str, value: Any) -> int:
        """Definitions cost nothing until a `$ref` names them, but all of them are compiled."""
        if keyword == "$defs":
            for inner in _object(value).values():
                self._visits += self._count(inner)
        return 0

    def _all(self, schemas: Any) -> int:
        return sum(1 + self.weigh(schema) for schema in schemas)

    def values(self, value: Any) -> int:
        """`enum` and `const`: the number of compared values and characters."""
        return self._count(value)

    def names(self, value: Any) -> int:
        return self._count(value)

    def reference(self, value: Any) -> int:
        if not isinstance(value, str) or not value.startswith("#/"):
            raise _Unbounded
        if value in self._open:
            raise _Unbounded
        known = self._known.get(value)
        if known is None:
            self._open.add(value)
            known = self._known[value] = 1 + self.weigh(_at(self._root, value))
            self._open.discard(value)
        return known

    def _count(self, value: Any) -> int:
        count, stack = 0, [value]
        while stack:
            item = stack.pop()
            count += 1 + (len(item) if isinstance(item, str) else 0)
            if count > WEIGHT_MAX:
                raise _Unbounded
            if isinstance(item, dict):
                fields = cast("dict[str, Any]", item)
                stack += [*fields.keys(), *fields.values()]
            elif isinstance(item, list):
                stack += cast("list[Any]", item)
        return count


def _format(_: _Weigher, value: Any) -> int:
    if value not in _FORMATS:
        raise _Unbounded
    return 1


def _multiple(_: _Weigher, value: Any) -> int:
    if not isinstance(value, int) or not 0 < value < 2**53:
        raise _Unbounded
    return 1


def _pattern(_: _Weigher, value: Any) -> int:
    """The states of the automaton: a linear-time engine visits each at most once per character."""
    if not isinstance(value, str) or len(value) > _PATTERN_MAX or not value.isascii():
        raise _Unbounded
    plain = _ESCAPES.sub("", value)
    wide = value.count("\\d") + value.count("[^") + plain.count(".")
    counts = [int(found[2] or found[1]) for found in _COUNTED.finditer(plain)]
    if "\\" in plain or "(?" in plain or _COUNTED.sub("", plain).count("{") or (counts and "(" in plain):
        raise _Unbounded
    return (len(value) + _STATES_OF_A_CLASS * wide) * max(1, *counts, 1)


def _dialect(_: _Weigher, value: Any) -> int:
    if value != _DIALECT:
        raise _Unbounded
    return 0


_SPECIAL: Mapping[str, Callable[[_Weigher, Any], int]] = {
    "enum": _Weigher.values,
    "const": _Weigher.values,
    "required": _Weigher.names,
    "dependentRequired": _Weigher.names,
    "$ref": _Weigher.reference,
    "$schema": _dialect,
    "format": _format,
    "multipleOf": _multiple,
    "pattern": _pattern,
}


def _at(root: Any, reference: str) -> Any:
    value = root
    for part in reference[2:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if "%" in name or not isinstance(value, dict) or name not in value:
            raise _Unbounded
        value = cast("dict[str, Any]", value)[name]
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Unbounded
    return cast("list[Any]", value)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Unbounded
    return cast("dict[str, Any]", value)
