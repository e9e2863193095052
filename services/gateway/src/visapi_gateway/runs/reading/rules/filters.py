"""Filters of runs, for `GET /v1/runs` and bulk commands. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from visapi_common.core.errors import ProblemError

ATTRIBUTES_MAX = 5
_ATTRIBUTE = re.compile(r"([a-zA-Z][a-zA-Z0-9_-]{0,62})(:|>=|<=|>|<)(.{0,256})", re.DOTALL)
_HEX = re.compile(r"[0-9a-f]{1,32}")
_GROUPS = (8, 12, 16, 20)
"""The number of digits of a UUID before each hyphen."""


class AttributeFilter(msgspec.Struct, frozen=True):
    """A condition on a search attribute: `:` compares text, the other operators compare numbers."""

    name: str
    operator: str
    value: str | float


class RunFilter(msgspec.Struct, frozen=True):
    """Conditions that a run must all meet; no condition means all runs. `text` is free text."""

    statuses: tuple[str, ...] = ()
    namespace: str | None = None
    name: str | None = None
    version: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    attributes: tuple[AttributeFilter, ...] = ()
    text: str | None = None
    parent: UUID | None = None
    schedule: tuple[str, str] | None = None
    """Namespace and name of the workflow whose schedule started the run."""
    test: bool | None = None
    top: bool = False
    """Only runs that no other run started."""


def read_attributes(given: Sequence[str]) -> tuple[AttributeFilter, ...]:
    """`name:value`, `name>=5`. Raises `ProblemError` 400."""
    if len(given) > ATTRIBUTES_MAX:
        raise _wrong(f"at most {ATTRIBUTES_MAX} attribute conditions are possible, found {len(given)}")
    return tuple(_attribute(text) for text in given)


def _attribute(text: str) -> AttributeFilter:
    match = _ATTRIBUTE.fullmatch(text)
    if match is None:
        raise _wrong(f"attribute {text[:80]!r} is not understood; write name:value, or name>=5 for numbers")
    name, operator, value = match.groups()
    if operator == ":":
        return AttributeFilter(name, operator, value)
    try:
        return AttributeFilter(name, operator, float(value))
    except ValueError:
        raise _wrong(f"attribute {text[:80]!r}: {operator} compares numbers, found {value[:40]!r}") from None


def first_id_at(time: datetime) -> UUID:
    """The lowest id of a run created at this time or later."""
    return UUID(int=(max(0, int(time.timestamp() * 1000)) & ((1 << 48) - 1)) << 80)


def ids_beginning(text: str) -> tuple[UUID, UUID] | None:
    """The lowest and the highest id that start with `text`; None when no id can."""
    digits = text.strip().lower().replace("-", "")
    if not _HEX.fullmatch(digits):
        return None
    spelled = "".join("-" + digit if place in _GROUPS else digit for place, digit in enumerate(digits))
    if "-" in text and not spelled.startswith(text.strip().lower().rstrip("-")):
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _wrong(detail: str) -> ProblemError:
    return ProblemError("invalid_query", detail, status=400)
