"""`schedule` (dsl-reference, Schedule), and its extensions in `document.metadata.visapi.schedule`."""

from collections.abc import Mapping
from typing import Any, cast

from visapi_engine.checks.durations import constant_ms
from visapi_engine.checks.shapes import as_choice, as_flag, as_object, as_text, check_keys
from visapi_engine.compile.build import Build
from visapi_engine.compile.event_filters import read_consumption
from visapi_engine.compile.templates import WORKFLOW_INPUT
from visapi_engine.model.listeners import mixes_correlations
from visapi_engine.model.program import Consumption
from visapi_engine.schedule.decisions import Schedule
from visapi_engine.schedule.fires import BadSchedule, check_cron, zone_of
from visapi_engine.source.findings import Findings, listed
from visapi_engine.source.pointers import join

KINDS = ("every", "cron", "after", "on")
OVERLAPS = ("allow", "skip", "buffer-one", "cancel-previous")
CATCH_UPS = ("none", "latest", "all")
LEAST_EVERY_MS = 1000
_SETTINGS = ("timezone", "overlap", "catchUp", "jitter", "paused", "input")
_AT = "/document/metadata/visapi/schedule"


def read_schedule(build: Build, root: Mapping[str, Any]) -> tuple[Schedule | None, Consumption | None]:
    """The times or the events that start a workflow."""
    settings = _settings(build.findings, root)
    if "schedule" not in root:
        if settings:
            build.findings.error(_AT, "there is no `schedule` that these settings could be of")
        return None, None
    given = as_object(build.findings, root["schedule"], "/schedule", "`schedule`")
    if given is None:
        return None, None
    check_keys(build.findings, given, "/schedule", KINDS)
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        build.findings.error(
            "/schedule", f"`schedule` must have exactly one of {listed(KINDS)}, found {listed(kinds)}"
        )
        return None, None
    if kinds[0] == "on":
        for key in settings:
            build.findings.error(join(_AT, key), "a schedule `on` events has no times to apply this to")
        on = read_consumption(build, given["on"], "/schedule/on", WORKFLOW_INPUT)
        if mixes_correlations(on):
            build.findings.warn(
                "/schedule/on",
                "the filters share no correlation: events are collected for one run at a time, and those of "
                "other correlations are passed over meanwhile; name the same correlation in every filter",
            )
        return None, on
    return _timed(build.findings, kinds[0], given[kinds[0]], settings), None


def _settings(findings: Findings, root: Mapping[str, Any]) -> dict[str, Any]:
    value: Any = root
    for key in ("document", "metadata", "visapi", "schedule"):
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    if value is None:
        return {}
    given = as_object(findings, value, _AT, "`schedule`") or {}
    check_keys(findings, given, _AT, _SETTINGS)
    return {key: given[key] for key in _SETTINGS if key in given}


def _timed(findings: Findings, kind: str, value: Any, settings: dict[str, Any]) -> Schedule:
    at = join("/schedule", kind)
    every_ms, after_ms, cron = None, None, None
    if kind == "cron":
        cron = as_text(findings, value, at, "`cron`")
        if cron is not None:
            _check(findings, at, lambda: check_cron(cron or ""))
    else:
        ms = constant_ms(findings, value, at, f"`{kind}`")
        if kind == "every":
            every_ms = ms
            if ms is not None and ms < LEAST_EVERY_MS:
                findings.error(at, "`every` must be at least one second")
        else:
            after_ms = ms
    policy, window_ms = _catch_up(findings, settings)
    return Schedule(
        every_ms=every_ms,
        cron=cron,
        after_ms=after_ms,
        timezone=_timezone(findings, settings),
        overlap=_choice(findings, settings, "overlap", OVERLAPS) or "allow",
        catch_up=policy,
        window_ms=window_ms,
        jitter_ms=_span(findings, settings, "jitter") or 0,
        paused=bool(
            as_flag(findings, settings["paused"], join(_AT, "paused"), "`paused`")
            if "paused" in settings
            else False
        ),
        input=settings.get("input"),
    )


def _check(findings: Findings, at: str, check: Any) -> None:
    try:
        check()
    except BadSchedule as bad:
        findings.error(at, str(bad))


def _timezone(findings: Findings, settings: dict[str, Any]) -> str:
    if "timezone" not in settings:
        return "UTC"
    name = as_text(findings, settings["timezone"], join(_AT, "timezone"), "`timezone`")
    if name is not None:
        _check(findings, join(_AT, "timezone"), lambda: zone_of(name))
    return name or "UTC"


def _catch_up(findings: Findings, settings: dict[str, Any]) -> tuple[str, int | None]:
    """`catchUp: latest`, or `catchUp: {policy: all, window: {hours: 6}}`."""
    value = settings.get("catchUp")
    if not isinstance(value, dict):
        return _choice(findings, settings, "catchUp", CATCH_UPS) or "latest", None
    at = join(_AT, "catchUp")
    given = cast("dict[str, Any]", value)
    check_keys(findings, given, at, ("policy", "window"), required=("policy",))
    policy = None
    if "policy" in given:
        policy = as_choice(findings, given["policy"], join(at, "policy"), "`policy`", CATCH_UPS)
    window = None
    if "window" in given:
        window = constant_ms(findings, given["window"], join(at, "window"), "`window`")
    return policy or "latest", window


def _choice(findings: Findings, settings: dict[str, Any], key: str, allowed: tuple[str, ...]) -> str | None:
    if key not in settings:
        return None
    return as_choice(findings, settings[key], join(_AT, key), f"`{key}`", allowed)


def _span(findings: Findings, settings: dict[str, Any], key: str) -> int | None:
    return constant_ms(findings, settings[key], join(_AT, key), f"`{key}`") if key in settings else None
