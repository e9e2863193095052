"""Which events a listener consumes (dsl-reference, Event Filter, Correlation).

An attribute of a filter is matched in one of three ways. A constant text must be equal, or match
whole as a regular expression of linear time; other constants must be contained. An expression is
evaluated when the listener starts, on the task's input: a text or a number that it gives is a
constant from then on. Anything else (and always the expression of `data`) is evaluated on the
attribute itself when an event comes: `true` matches, as does an equal value. An expression that
fails on an event does not match it: events come from outside.
"""

from collections.abc import Mapping
from typing import Any, cast

import jsonschema_rs
import msgspec

from visapi_common.core.event_keys import value_at
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate
from visapi_engine.machine.faults import TaskFault
from visapi_engine.machine.frames import Task
from visapi_engine.model.program import EventFilter, Jq, Literal

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@#%=&~, ")
"""Characters that stand for themselves. A `.` matches more in a pattern; types are rarely patterns."""


def expectations(draft: Draft, task: Task, filters: list[EventFilter]) -> list[dict[str, Any]]:
    """The constants of each filter when the listener starts: those of attributes by name, those of
    correlations as `correlate.<name>`.
    """
    return [_expected(draft, task, one) for one in filters]


def _expected(draft: Draft, task: Task, wanted: EventFilter) -> dict[str, Any]:
    fixed: dict[str, Any] = {}
    for name, template in wanted.attributes.items():
        if isinstance(template, Literal):
            fixed[name] = template.value
        elif not isinstance(template, Jq) or name != "data":
            value = _early(draft, task, template)
            if isinstance(value, str | int | float | dict | list) and not isinstance(value, bool):
                fixed[name] = value
    for name, correlation in wanted.correlations.items():
        if correlation.expect is not None:
            fixed[f"correlate.{name}"] = evaluate(
                draft, correlation.expect, task, task.input, input=task.input
            )
    return fixed


def _early(draft: Draft, task: Task, template: Any) -> Any:
    try:
        return evaluate(draft, template, task, task.input, input=task.input)
    except TaskFault:
        return None


def constraints(
    filters: list[EventFilter], expected: list[dict[str, Any]], known: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The constants of each filter as paths into the event and values, by which its events are found."""
    return [_constraint(one, fixed, known) for one, fixed in zip(filters, expected, strict=True)]


def _constraint(wanted: EventFilter, fixed: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fixed.items():
        is_plain = isinstance(value, str) and _PLAIN.issuperset(value)
        if name in wanted.attributes and name != "data" and is_plain:
            found[name] = value
    for name, correlation in wanted.correlations.items():
        value = fixed.get(f"correlate.{name}", known.get(name))
        path = _path_of(correlation.source)
        if path is not None and isinstance(value, str | int | float) and not isinstance(value, bool):
            found[path] = value
    return found


def _path_of(source: Any) -> str | None:
    """The dotted path that an expression such as `.data.orderId` is; None for any other."""
    if not isinstance(source, Jq) or not source.source.startswith("."):
        return None
    names = source.source[1:].split(".")
    return ".".join(names) if all(name.isidentifier() and name.isascii() for name in names) else None


def matches(
    draft: Draft,
    task: Task,
    wanted: EventFilter,
    fixed: dict[str, Any],
    event: dict[str, Any],
    *,
    known: Mapping[str, Any],
) -> dict[str, Any] | None:
    """The correlations of an event that the filter takes (known ones and new ones); None for others."""
    for name, template in wanted.attributes.items():
        if name in fixed:
            if not _fits(fixed[name], event.get(name)):
                return None
        elif not _holds(draft, task, template, event.get(name)):
            return None
    found = dict(known)
    for name, correlation in wanted.correlations.items():
        value = _on_event(draft, task, correlation.source, event)
        if value is None:
            return None
        expected = fixed.get(f"correlate.{name}", found.get(name))
        if expected is not None and expected != value:
            return None
        found[name] = value
    return found


def _fits(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, str) and isinstance(value, str):
        return wanted == value or (not _PLAIN.issuperset(wanted) and _fits_pattern(wanted, value))
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return False
        have = cast("dict[str, Any]", value)
        inner = cast("dict[str, Any]", wanted)
        return all(_fits(inner[key], have.get(key)) for key in inner)
    return wanted == value and isinstance(wanted, bool) == isinstance(value, bool)


def _fits_pattern(pattern: str, value: str) -> bool:
    try:
        schema = jsonschema_rs.Draft202012Validator(
            {"pattern": f"^(?:{pattern})$"}, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return schema.is_valid(value)


def _holds(draft: Draft, task: Task, template: Any, value: Any) -> bool:
    found = _on_event(draft, task, template, value)
    return found is True or (found is not None and found is not False and found == value)


def _on_event(draft: Draft, task: Task, template: Any, value: Any) -> Any:
    try:
        return evaluate(draft, template, task, value, input=task.input)
    except TaskFault:
        return None


def read_as(event: dict[str, Any], how: str) -> Any:
    """A consumed event as the task gives it (dsl-reference, Listen, `read`).

    `raw` is the data as it came: the text of binary data (base64), or the JSON text.
    """
    if how == "envelope":
        return event
    if how == "data":
        return event["data"] if "data" in event else event.get("data_base64")
    if "data_base64" in event:
        return event["data_base64"]
    data = value_at(event, "data")
    return data if isinstance(data, str) else _json_text(data)


def _json_text(data: Any) -> str | None:
    return None if data is None else msgspec.json.encode(data).decode()
