"""Search attributes, by which runs are found (`document.metadata.visapi.attributes`).

Each is an expression on the run's input. It is evaluated when the run starts; one that reads `$context`
again whenever the context has changed, one that reads `$output` when the run completes. No attribute
faults a run: one that fails, or gives what cannot be searched for, is left out, and the history says so.
"""

import math
from typing import Any, cast

import msgspec

from visapi_engine.expressions.evaluate import ExpressionError
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate_alone
from visapi_engine.model.program import Attribute

TEXT_MAX = 256
ITEMS_MAX = 20
_INTEGER_MAX = 2**63
_EXACT = 2.0**53
_REASON_MAX = 200
_LEFT_OUT = "attributesLeftOut"


class NotSearchable(Exception):
    """The value cannot be an attribute; the text says why."""


def follow(draft: Draft, *, began: bool, context_before: Any, completed: bool) -> bool:
    """Evaluate the attributes that the transition may have changed; gives whether any changed."""
    known = draft.plan.attributes
    moved = draft.context is not context_before
    due = {name: one for name, one in known.items() if _is_due(one, began, moved, completed)}
    if not due:
        return False
    before = draft.attributes
    after = dict(before)
    left_out: dict[str, str] = {}
    for name, attribute in due.items():
        after.pop(name, None)
        try:
            after[name] = _value(draft, attribute, completed)
        except (ExpressionError, NotSearchable) as reason:
            if began or completed or name in before:
                left_out[name] = str(reason)[:_REASON_MAX]
    if left_out and draft.entries:
        _note(draft, left_out, 0 if began else -1)
    draft.attributes = after
    return after != before


def _is_due(attribute: Attribute, began: bool, moved: bool, completed: bool) -> bool:
    if attribute.reads_output:
        return completed
    return began or (moved and attribute.reads_context)


def _value(draft: Draft, attribute: Attribute, completed: bool) -> Any:
    variables = {"output": draft.output} if completed else {}
    return searchable(evaluate_alone(draft, attribute.value, draft.workflow_input, **variables))


def _note(draft: Draft, left_out: dict[str, str], place: int) -> None:
    """Record the reasons in the first item of the run, or in the last item of a later transition."""
    entry = draft.entries[place]
    draft.entries[place] = msgspec.structs.replace(entry, data={**(entry.data or {}), _LEFT_OUT: left_out})


def searchable(value: Any) -> Any:
    """A value as it is stored. Raises `NotSearchable`."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if len(items) > ITEMS_MAX:
            raise NotSearchable(f"a list of {len(items)} texts is longer than {ITEMS_MAX}")
        return [_text(item) if isinstance(item, str) else _refuse(items) for item in items]
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    return _refuse(value)


def _refuse(value: Any) -> Any:
    kind = "an object" if isinstance(value, dict) else "such a list"
    raise NotSearchable(f"an attribute is a text, a number, a boolean, null or a list of texts, not {kind}")


def _text(value: str) -> str:
    """PostgreSQL keeps neither U+0000 nor half of a surrogate pair."""
    if len(value) > TEXT_MAX:
        raise NotSearchable(f"a text of {len(value)} characters is longer than {TEXT_MAX}")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise NotSearchable("the text holds a character that cannot be stored")
    return value


def _number(value: float) -> float:
    """Whole numbers are integers, so that 5 and 5.0 are one value."""
    if not math.isfinite(value) or abs(value) >= _INTEGER_MAX:
        raise NotSearchable(f"the number {value} is out of range")
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT else value
