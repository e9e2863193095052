"""Spans of time in a running workflow: constants, or expressions that give one."""

from collections.abc import Callable
from typing import Any

from visapi_engine.checks.durations import MS_MAX, duration_ms
from visapi_engine.model.program import Duration, Template

LONGEST_MS = MS_MAX
"""A hundred years: longer is a mistake, and would overflow the ledger's timestamps."""


def span_ms(duration: Duration, evaluate: Callable[[Template], Any]) -> int:
    """The span in milliseconds. Raises `ValueError` for a value that is no duration."""
    if duration.expression is None:
        return duration.ms or 0
    return duration_ms(evaluate(duration.expression))
