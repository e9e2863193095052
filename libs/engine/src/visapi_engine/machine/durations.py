"""Spans of time in a running workflow: constants, or expressions that give one.

An expression gives the specification's duration object, an ISO 8601 duration, and nothing else.
"""

import re
from collections.abc import Callable
from typing import Any, cast

from visapi_engine.definition.program import Duration, Template

LONGEST_MS = 100 * 366 * 24 * 3_600_000
"""A hundred years: longer is a mistake, and would overflow the ledger's timestamps."""

_UNITS_MS = {"days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1_000, "milliseconds": 1}
_ISO = re.compile(
    r"P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_ISO_MS = (604_800_000, 86_400_000, 3_600_000, 60_000, 1_000)


def span_ms(duration: Duration, evaluate: Callable[[Template], Any]) -> int:
    """The span in milliseconds. Raises `ValueError` for a value that is no duration."""
    if duration.expression is not None:
        return _read(evaluate(duration.expression))
    return _bounded(duration.ms or 0)


def _read(value: Any) -> int:
    if isinstance(value, str):
        return _read_iso(value)
    if isinstance(value, dict) and value:
        return _read_object(cast("dict[str, Any]", value))
    raise ValueError(f"{value!r} is no duration: give one like {{seconds: 3}}, or ISO 8601 like 'PT3S'")


def _read_object(parts: dict[str, Any]) -> int:
    total = 0.0
    for unit, amount in parts.items():
        if unit not in _UNITS_MS:
            raise ValueError(f"a duration has no {unit!r}; it has {', '.join(_UNITS_MS)}")
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= LONGEST_MS:
            raise ValueError(f"{unit} of a duration must be a number from 0, not {amount!r}")
        total += amount * _UNITS_MS[unit]
    return _bounded(total)


def _read_iso(text: str) -> int:
    found = _ISO.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is no ISO 8601 duration of weeks, days, hours, minutes and seconds")
    return _bounded(
        sum(float(part) * unit for part, unit in zip(found.groups(), _ISO_MS, strict=True) if part)
    )


def _bounded(ms: float) -> int:
    if ms > LONGEST_MS:
        raise ValueError(f"a duration of {ms:.0f} ms is longer than a hundred years")
    return round(ms)
