"""`concurrency`, `rateLimit` and `priority` in `document.metadata.visapi`."""

from typing import Any

from visapi_engine.checks.durations import constant_ms
from visapi_engine.checks.shapes import as_choice, as_integer, as_object, check_keys
from visapi_engine.compile.build import Build
from visapi_engine.compile.templates import WORKFLOW_INPUT, expression
from visapi_engine.model.program import Concurrency, Literal, RateLimit, Template
from visapi_engine.source.pointers import join

ON_LIMIT = ("queue", "reject", "cancel-oldest")
LIMIT_MAX = 1_000_000
PERIOD_LEAST_MS = 100
PERIOD_MOST_MS = 31 * 86_400_000
PRIORITY_MAX = 9
_NAMES = WORKFLOW_INPUT | {"input"}


def read_concurrency(build: Build, value: Any, at: str) -> Concurrency | None:
    given = as_object(build.findings, value, at, "`concurrency`")
    if given is None:
        return None
    check_keys(build.findings, given, at, ("key", "limit", "onLimit"), required=("limit",))
    on_limit = "queue"
    if "onLimit" in given:
        where = join(at, "onLimit")
        on_limit = as_choice(build.findings, given["onLimit"], where, "`onLimit`", ON_LIMIT) or on_limit
    return Concurrency(limit=_limit(build, given, at), key=_key(build, given, at), on_limit=on_limit)


def read_rate_limit(build: Build, value: Any, at: str) -> RateLimit | None:
    given = as_object(build.findings, value, at, "`rateLimit`")
    if given is None:
        return None
    check_keys(build.findings, given, at, ("key", "limit", "period"), required=("limit", "period"))
    where = join(at, "period")
    period_ms = PERIOD_LEAST_MS
    if "period" in given:
        period_ms = constant_ms(build.findings, given["period"], where, "`period`") or 0
        if not PERIOD_LEAST_MS <= period_ms <= PERIOD_MOST_MS:
            build.findings.error(where, "`period` must be from 100 milliseconds to 31 days")
    return RateLimit(limit=_limit(build, given, at), period_ms=period_ms, key=_key(build, given, at))


def read_priority(build: Build, value: Any, at: str) -> Template | None:
    if isinstance(value, str):
        return expression(build, value, at, _NAMES, "`priority`")
    number = as_integer(build.findings, value, at, "`priority`", least=0, most=PRIORITY_MAX)
    return None if number is None else Literal(number)


def _limit(build: Build, given: dict[str, Any], at: str) -> int:
    if "limit" not in given:
        return 1
    found = as_integer(build.findings, given["limit"], join(at, "limit"), "`limit`", least=1, most=LIMIT_MAX)
    return found or 1


def _key(build: Build, given: dict[str, Any], at: str) -> Template | None:
    """An expression on the run's input; without one all runs of the workflow share a key."""
    if "key" not in given:
        return None
    return expression(build, given["key"], join(at, "key"), _NAMES, "`key`")
