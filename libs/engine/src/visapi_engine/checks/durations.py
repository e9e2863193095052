"""Durations (dsl-reference, Duration): an object, an ISO 8601 text, or an expression that gives either.

The value of an expression follows the same rules as a constant.
"""

import re
from typing import Any, cast

from visapi_engine.checks.shapes import as_integer, check_keys, kind
from visapi_engine.source.findings import Findings, listed

DAYS_MAX = 36_525
"""A hundred years; a longer duration is a mistake."""

UNITS_MS = {"days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1_000, "milliseconds": 1}
MS_MAX = DAYS_MAX * UNITS_MS["days"]
TOO_LONG = f"a duration has at most {DAYS_MAX} days"
_TEXT_MAX = 100
_N = r"([0-9]+(?:\.[0-9]+)?)"
_ISO = re.compile(
    rf"P(?!$)(?:{_N}Y)?(?:{_N}M)?(?:{_N}W)?(?:{_N}D)?(?:T(?=\d)(?:{_N}H)?(?:{_N}M)?(?:{_N}S)?)?"
)
_ISO_MS = (None, None, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000)


def constant_ms(findings: Findings, value: Any, at: str, what: str) -> int | None:
    """The milliseconds of a constant duration; reports its mistakes."""
    if isinstance(value, dict):
        return _object_ms(findings, cast("dict[str, Any]", value), at, what)
    try:
        return duration_ms(value)
    except ValueError as error:
        findings.error(at, f"{what}: {error}")
        return None


def _object_ms(findings: Findings, fields: dict[str, Any], at: str, what: str) -> int | None:
    """As `duration_ms`; reports every mistake at its own place."""
    if not fields:
        findings.error(at, f"{what} must have one of {listed(UNITS_MS)}")
        return None
    check_keys(findings, fields, at, UNITS_MS)
    total = 0
    for unit, unit_ms in UNITS_MS.items():
        if unit in fields:
            count = as_integer(
                findings, fields[unit], f"{at}/{unit}", f"{what} in {unit}", least=0, most=MS_MAX // unit_ms
            )
            total += (count or 0) * unit_ms
    if total > MS_MAX:
        findings.error(at, f"{what}: {TOO_LONG}")
        return None
    return total


def duration_ms(value: Any) -> int:
    """The milliseconds of a duration, given as an object or an ISO 8601 text, for constants and values
    of expressions. Raises `ValueError` with the mistake.
    """
    if isinstance(value, str):
        return iso_ms(value)
    if not isinstance(value, dict) or not value:
        raise ValueError(
            f"a duration is an object such as {{seconds: 30}} or a text such as PT30S, found {kind(value)}"
        )
    total = 0
    for unit, count in cast("dict[str, Any]", value).items():
        if unit not in UNITS_MS:
            raise ValueError(f'a duration has no "{unit[:40]}"; it has {listed(UNITS_MS)}')
        most = MS_MAX // UNITS_MS[unit]
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= most:
            raise ValueError(
                f"a duration in {unit} must be a whole number from 0 to {most}, found {kind(count)}"
            )
        total += count * UNITS_MS[unit]
    if total > MS_MAX:
        raise ValueError(TOO_LONG)
    return total


def iso_ms(text: str) -> int:
    """The milliseconds of an ISO 8601 duration with fixed units. Raises `ValueError` with the mistake."""
    match = _ISO.fullmatch(text) if len(text) <= _TEXT_MAX else None
    if match is None:
        raise ValueError(f"a duration is an ISO 8601 text such as PT30S, PT1H30M or P2D, found {kind(text)}")
    total = 0.0
    for count, unit_ms in zip(match.groups(), _ISO_MS, strict=True):
        if count is None:
            continue
        if unit_ms is None:
            raise ValueError(f'"{text}" has years or months, which have no fixed length; write days')
        total += float(count) * unit_ms
    if total > MS_MAX:
        raise ValueError(f'"{text}": {TOO_LONG}')
    return round(total)
