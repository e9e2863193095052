"""Event consumption: strategies, filters, correlations (dsl-reference, Event Consumption Strategy).

Attributes of a filter are constants, regular expressions or runtime expressions; extension
attributes of CloudEvents are allowed wherever attributes are.
"""

import re
from typing import Any

from visapi_engine.checks.schemas import SchemaInvalid, build_validator
from visapi_engine.checks.shapes import as_list, as_object, as_text, check_keys, kind
from visapi_engine.compile.build import Build
from visapi_engine.compile.templates import expression, is_wrapped, template
from visapi_engine.model.program import Consumption, Correlation, EventFilter, Literal, Template
from visapi_engine.source.findings import listed
from visapi_engine.source.pointers import join

_MODES = ("one", "any", "all")
_TEXTS = ("id", "source", "type", "time", "subject", "datacontenttype", "dataschema")
_EXTENSION = re.compile(r"[a-z0-9]{1,64}")
FILTERS_MAX = 100


def read_consumption(
    build: Build, value: Any, at: str, names: frozenset[str], *, nested: bool = False
) -> Consumption:
    """A strategy: `one`, `any` or `all`; an `any` may have an `until`, unless it is itself in an `until`."""
    nothing = Consumption(mode="one", filters=[])
    given = as_object(build.findings, value, at, "an event consumption strategy")
    if given is None:
        return nothing
    check_keys(build.findings, given, at, (*_MODES, "until"))
    modes = [mode for mode in _MODES if mode in given]
    if len(modes) != 1:
        build.findings.error(
            at, f"a strategy must have exactly one of {listed(_MODES)}, found {listed(modes)}"
        )
        return nothing
    mode = modes[0]
    filters = _filters(build, given[mode], join(at, mode), names, mode)
    until, until_events = None, None
    if "until" in given:
        until, until_events = _until(
            build, given["until"], join(at, "until"), names, mode=mode, nested=nested
        )
    return Consumption(mode=mode, filters=filters, until=until, until_events=until_events)


def _filters(build: Build, value: Any, at: str, names: frozenset[str], mode: str) -> list[EventFilter]:
    if mode == "one":
        return [_filter(build, value, at, names)]
    items = as_list(build.findings, value, at, f"`{mode}`") or []
    if mode == "all" and not items and isinstance(value, list):
        build.findings.error(at, "`all` needs at least one filter, or it would wait for ever")
    if len(items) > FILTERS_MAX:
        build.findings.error(at, f"more than {FILTERS_MAX} filters")
        return []
    return [_filter(build, item, join(at, index), names) for index, item in enumerate(items)]


def _until(
    build: Build, value: Any, at: str, names: frozenset[str], *, mode: str, nested: bool
) -> tuple[Template | None, Consumption | None]:
    if mode != "any" or nested:
        where = "within an `until`" if nested else f"with `{mode}`"
        build.findings.error(at, f"`until` has no meaning {where}; it belongs to a listener's `any`")
        return None, None
    if isinstance(value, str):
        return expression(build, value, at, names, "`until`"), None
    return None, read_consumption(build, value, at, names, nested=True)


def _filter(build: Build, value: Any, at: str, names: frozenset[str]) -> EventFilter:
    given = as_object(build.findings, value, at, "an event filter")
    if given is None:
        return EventFilter()
    check_keys(build.findings, given, at, ("with", "correlate"), required=("with",))
    attributes: dict[str, Template] = {}
    if "with" in given:
        wanted = as_object(build.findings, given["with"], join(at, "with"), "`with`")
        if wanted is not None and not wanted:
            build.findings.error(join(at, "with"), "`with` needs at least one attribute")
        check_attributes(build, wanted or {}, join(at, "with"))
        attributes = {
            name: _attribute(build, inner, join(at, "with", name), names)
            for name, inner in (wanted or {}).items()
        }
    correlate = as_object(build.findings, given.get("correlate", {}), join(at, "correlate"), "`correlate`")
    return EventFilter(
        attributes=attributes,
        correlations={
            name: _correlation(build, inner, join(at, "correlate", name), names)
            for name, inner in (correlate or {}).items()
        },
    )


def _attribute(build: Build, value: Any, at: str, names: frozenset[str]) -> Template:
    wanted = template(build, value, at, names)
    if isinstance(wanted, Literal) and isinstance(wanted.value, str) and not at.endswith("/data"):
        try:
            build_validator({"pattern": wanted.value})
        except SchemaInvalid:
            build.findings.warn(at, "this is no regular expression; only the very same text will match")
    return wanted


def _correlation(build: Build, value: Any, at: str, names: frozenset[str]) -> Correlation:
    given = as_object(build.findings, value, at, "a correlation")
    if given is None:
        return Correlation(source=Literal(None))
    check_keys(build.findings, given, at, ("from", "expect"), required=("from",))
    source: Template | None = None
    if "from" in given:
        source = expression(build, given["from"], join(at, "from"), names, "`from`")
    expect: Template | None = None
    value = given.get("expect")
    if "expect" in given and as_text(build.findings, value, join(at, "expect"), "`expect`") is not None:
        expect = template(build, value, join(at, "expect"), names)
    return Correlation(source=source or Literal(None), expect=expect)


def check_attributes(build: Build, given: dict[str, Any], at: str, *, required: tuple[str, ...] = ()) -> None:
    """The attributes of an event: known ones are text, others have names that CloudEvents allows."""
    for name in required:
        if name not in given:
            build.findings.error(at, f'the property "{name}" is missing')
    for name, value in given.items():
        if name == "data" or is_wrapped(value):
            continue
        if name in _TEXTS:
            as_text(build.findings, value, join(at, name), f"`{name}`")
        elif not _EXTENSION.fullmatch(name):
            build.findings.error(
                join(at, name),
                f'"{name}" cannot be an attribute of an event: lower-case letters and digits only '
                "(CloudEvents 1.0.2)",
            )
        elif not isinstance(value, str | bool | int):
            build.findings.error(
                join(at, name),
                f"an extension attribute is text, a whole number or a flag, found {kind(value)}",
            )
