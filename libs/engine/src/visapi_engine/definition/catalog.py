"""Functions of the default catalog that the engine carries out itself, as `GET /v1/functions` shows them."""

from collections.abc import Mapping
from typing import Any

from visapi_common.contracts.task_messages import EffectClass, FunctionSpec

APPROVE = "human.approve"

_TASKS = {"type": "array", "items": {"type": "object"}, "minItems": 1}
_DURATION = {"type": ["string", "object"], "description": "ISO 8601, or an object such as {hours: 4}"}
_PEOPLE = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 200}, "maxItems": 50}

APPROVE_INPUT: dict[str, Any] = {
    "type": "object",
    "required": ["title"],
    "additionalProperties": False,
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 200},
        "text": {"type": "string", "maxLength": 10_000},
        "data": {"description": "Anything; shown as a table, or as JSON"},
        "choices": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 40},
            "minItems": 1,
            "maxItems": 8,
            "uniqueItems": True,
            "default": ["approve", "reject"],
        },
        "approvers": _PEOPLE,
        "notify": {**_TASKS, "description": "Tasks that tell people; $approval.link is the link"},
        "deadline": _DURATION,
        "onDeadline": {"type": "string", "description": "fault, or one of the choices", "default": "fault"},
        "escalation": {
            "type": "object",
            "required": ["after", "notify"],
            "additionalProperties": False,
            "properties": {"after": _DURATION, "notify": _TASKS, "approvers": _PEOPLE},
        },
    },
}
APPROVE_OUTPUT: dict[str, Any] = {
    "type": "object",
    "required": ["decision", "comment", "by", "at"],
    "properties": {
        "decision": {"type": "string", "description": "One of the choices"},
        "comment": {"type": ["string", "null"]},
        "by": {"type": "string", "description": "An approver, link, key:<id> or deadline"},
        "at": {"type": "string", "format": "date-time"},
    },
}

ENGINE_FUNCTIONS: Mapping[str, FunctionSpec] = {
    spec.name: spec
    for spec in (
        FunctionSpec(
            name=APPROVE,
            effect=EffectClass.KEYED,
            timeout_s=0,
            description="Asks people for a decision and waits for it; no worker holds it meanwhile.",
            input_schema=APPROVE_INPUT,
            output_schema=APPROVE_OUTPUT,
        ),
    )
}
"""By name. `timeout_s` is 0: they end when they end, or when a timeout of the definition says so."""
