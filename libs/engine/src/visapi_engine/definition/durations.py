"""Durations (dsl-reference, Duration): an object, an ISO 8601 text, or an expression giving the text."""

import re
from typing import Any

from visapi_engine.definition.findings import Findings, listed
from visapi_engine.definition.shapes import as_integer, as_object, check_keys, kind

DAYS_MAX = 36_525
"""A hundred years; beyond it a duration is a mistake."""

_UNITS_MS = {"days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1_000, "milliseconds": 1}
_MS_MAX = DAYS_MAX * _UNITS_MS["days"]
_N = r"(\d+(?:\.\d+)?)"
_ISO = re.compile(
    rf"P(?!$)(?:{_N}Y)?(?:{_N}M)?(?:{_N}W)?(?:{_N}D)?(?:T(?=\d)(?:{_N}H)?(?:{_N}M)?(?:{_N}S)?)?"
)
_ISO_MS = (None, None, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000)


def constant_ms(findings: Findings, value: Any, at: str, what: str) -> int | None:
    """The milliseconds of a constant duration; reports what is wrong with it."""
    if isinstance(value, str):
        try:
            return iso_ms(value)
        except ValueError as error:
            findings.error(at, f"{what}: {error}")
            return None
    if not isinstance(value, dict):
        findings.error(
            at,
            f"{what} must be an object such as {{seconds: 30}} or a text such as PT30S, found {kind(value)}",
        )
        return None
    return _object_ms(findings, value, at, what)


def _object_ms(findings: Findings, value: Any, at: str, what: str) -> int | None:
    fields = as_object(findings, value, at, what)
    if not fields:
        findings.error(at, f"{what} must have one of {listed(_UNITS_MS)}")
        return None
    check_keys(findings, fields, at, _UNITS_MS)
    total = 0
    for unit, unit_ms in _UNITS_MS.items():
        if unit in fields:
            count = as_integer(
                findings, fields[unit], f"{at}/{unit}", f"{what} in {unit}", least=0, most=_MS_MAX // unit_ms
            )
            total += (count or 0) * unit_ms
    return total


def iso_ms(text: str) -> int:
    """The milliseconds of an ISO 8601 duration with fixed units. Raises `ValueError` saying what is wrong."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not an ISO 8601 duration such as PT30S, PT1H30M or P2D')
    total = 0.0
    for count, unit_ms in zip(match.groups(), _ISO_MS, strict=True):
        if count is None:
            continue
        if unit_ms is None:
            raise ValueError(f'"{text}" has years or months, which have no fixed length; write days')
        total += float(count) * unit_ms
    if total > _MS_MAX:
        raise ValueError(f'"{text}" is longer than {DAYS_MAX} days')
    return round(total)
