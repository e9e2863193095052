"""Small checks of a value's shape; each reports the value found and the values allowed."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from visapi_engine.source.findings import Findings, listed, nearest
from visapi_engine.source.pointers import join


def kind(value: Any) -> str:
    """A value's kind in words."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"the boolean {'true' if value else 'false'}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'the text "{value if len(value) <= 40 else value[:37] + "..."}"'
    return "an object" if isinstance(value, dict) else "a list"


def as_object(findings: Findings, value: Any, at: str, what: str) -> dict[str, Any] | None:
    if isinstance(value, dict):
        return cast(dict[str, Any], value)
    findings.error(at, f"{what} must be an object, found {kind(value)}")
    return None


def as_list(findings: Findings, value: Any, at: str, what: str) -> list[Any] | None:
    if isinstance(value, list):
        return cast(list[Any], value)
    findings.error(at, f"{what} must be a list, found {kind(value)}")
    return None


def as_text(findings: Findings, value: Any, at: str, what: str) -> str | None:
    if isinstance(value, str) and value.strip():
        return value
    hint = "; put it in quotes" if isinstance(value, int | float) else ""
    found = "empty text" if isinstance(value, str) else kind(value)
    findings.error(at, f"{what} must be text, found {found}{hint}")
    return None


def as_flag(findings: Findings, value: Any, at: str, what: str) -> bool | None:
    if isinstance(value, bool):
        return value
    findings.error(at, f"{what} must be true or false, found {kind(value)}")
    return None


def as_integer(findings: Findings, value: Any, at: str, what: str, *, least: int, most: int) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    findings.error(at, f"{what} must be a whole number from {least} to {most}, found {kind(value)}")
    return None


def as_choice(findings: Findings, value: Any, at: str, what: str, allowed: Iterable[str]) -> str | None:
    allowed = list(allowed)
    if isinstance(value, str) and value in allowed:
        return value
    hint = nearest(value, allowed) if isinstance(value, str) else ""
    findings.error(at, f"{what} must be one of {listed(allowed)}, found {kind(value)}.{hint}")
    return None


def check_keys(
    findings: Findings,
    value: Mapping[str, Any],
    at: str,
    allowed: Iterable[str],
    *,
    required: Iterable[str] = (),
    refused: Mapping[str, str] | None = None,
) -> None:
    """Report the unknown, missing and unsupported properties of an object."""
    allowed = list(allowed)
    refused = refused or {}
    for key in value:
        if key in refused:
            findings.refuse(join(at, key), refused[key])
        elif key not in allowed:
            hint = nearest(key, [*allowed, *refused])
            findings.error(join(at, key), f'unknown property "{key}".{hint} Allowed: {listed(allowed)}')
    for key in required:
        if key not in value:
            findings.error(at, f'the property "{key}" is missing')
