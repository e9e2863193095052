"""Retry policies (dsl-reference, Retry).

`factor` and `maxDelay` inside a backoff are extensions; the specification leaves these objects open.
"""

from typing import Any

from visapi_engine.checks.durations import constant_ms
from visapi_engine.checks.shapes import as_integer, as_object, check_keys, kind
from visapi_engine.compile.build import Build
from visapi_engine.compile.data_flow import read_duration
from visapi_engine.compile.templates import expression
from visapi_engine.model.program import Backoff, Duration, Retry
from visapi_engine.source.findings import listed, nearest
from visapi_engine.source.pointers import join

ATTEMPTS_MAX = 10_000
FACTOR_MAX = 1_000
_KINDS = ("constant", "linear", "exponential")


def read_retry(build: Build, value: Any, at: str, names: frozenset[str]) -> Retry | None:
    """A policy: inline, or the name of one in `use.retries`."""
    if isinstance(value, str):
        if value not in build.use.retries:
            hint = nearest(value, build.use.retries)
            known = listed(build.use.retries)
            build.findings.error(
                at, f'no retry policy called "{value}" in use.retries.{hint} Defined: {known}'
            )
            return None
        value, at = build.use.retries[value], join("/use/retries", value)
    given = as_object(build.findings, value, at, "a retry policy")
    if given is None:
        return None
    check_keys(build.findings, given, at, ("when", "exceptWhen", "delay", "backoff", "limit", "jitter"))
    conditions = {
        key: expression(build, given[key], join(at, key), names, f"`{key}`")
        for key in ("when", "exceptWhen")
        if key in given
    }
    count, attempt, total = _limit(build, given.get("limit", {}), join(at, "limit"), names)
    jitter = _jitter(build, given, at, names)
    return Retry(
        when=conditions.get("when"),
        except_when=conditions.get("exceptWhen"),
        delay=_duration(build, given, at, "delay", names) or Duration(ms=0),
        backoff=_backoff(build, given["backoff"], join(at, "backoff")) if "backoff" in given else Backoff(),
        attempts=count,
        attempt_duration=attempt,
        total_duration=total,
        jitter_from=jitter[0],
        jitter_to=jitter[1],
    )


def _duration(
    build: Build, given: dict[str, Any], at: str, key: str, names: frozenset[str]
) -> Duration | None:
    return read_duration(build, given[key], join(at, key), names, f"`{key}`") if key in given else None


def _backoff(build: Build, value: Any, at: str) -> Backoff:
    given = as_object(build.findings, value, at, "`backoff`")
    if given is None:
        return Backoff()
    check_keys(build.findings, given, at, _KINDS)
    kinds = [name for name in _KINDS if name in given]
    if len(kinds) != 1:
        build.findings.error(
            at, f"`backoff` must have exactly one of {listed(_KINDS)}, found {listed(kinds)}"
        )
        return Backoff()
    at = join(at, kinds[0])
    options = (
        as_object(build.findings, given[kinds[0]] if given[kinds[0]] is not None else {}, at, f"`{kinds[0]}`")
        or {}
    )
    check_keys(build.findings, options, at, ("factor", "maxDelay"))
    most = (
        constant_ms(build.findings, options["maxDelay"], join(at, "maxDelay"), "`maxDelay`")
        if "maxDelay" in options
        else None
    )
    return Backoff(kind=kinds[0], factor=_factor(build, options, at), max_delay_ms=most)


def _factor(build: Build, options: dict[str, Any], at: str) -> float:
    factor = options.get("factor", 2.0)
    if isinstance(factor, int | float) and not isinstance(factor, bool) and 1 <= factor <= FACTOR_MAX:
        return float(factor)
    build.findings.error(
        join(at, "factor"), f"`factor` must be a number from 1 to {FACTOR_MAX}, found {kind(factor)}"
    )
    return 2.0


def _limit(
    build: Build, value: Any, at: str, names: frozenset[str]
) -> tuple[int | None, Duration | None, Duration | None]:
    given = as_object(build.findings, value, at, "`limit`")
    if given is None:
        return None, None, None
    check_keys(build.findings, given, at, ("attempt", "duration"))
    total = _duration(build, given, at, "duration", names)
    at = join(at, "attempt")
    attempt = as_object(build.findings, given.get("attempt", {}), at, "`attempt`") or {}
    check_keys(build.findings, attempt, at, ("count", "duration"))
    count = None
    if "count" in attempt:
        count = as_integer(
            build.findings, attempt["count"], join(at, "count"), "`count`", least=0, most=ATTEMPTS_MAX
        )
    return count, _duration(build, attempt, at, "duration", names), total


def _jitter(
    build: Build, given: dict[str, Any], at: str, names: frozenset[str]
) -> tuple[Duration | None, Duration | None]:
    if "jitter" not in given:
        return None, None
    at = join(at, "jitter")
    jitter = as_object(build.findings, given["jitter"], at, "`jitter`")
    if jitter is None:
        return None, None
    check_keys(build.findings, jitter, at, ("from", "to"), required=("from", "to"))
    least = _duration(build, jitter, at, "from", names)
    most = _duration(build, jitter, at, "to", names)
    if least and most and least.ms is not None and most.ms is not None and least.ms > most.ms:
        build.findings.error(at, "`from` must not be longer than `to`")
    return least, most
