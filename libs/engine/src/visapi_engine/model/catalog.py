"""Functions of the default catalog that the engine executes itself, as listed by `GET /v1/functions`."""

from collections.abc import Mapping
from typing import Any

from visapi_common.contracts.task_messages import EffectClass, FunctionSpec

APPROVE = "human.approve"
MAP = "flow.map"

APPROVER_RULE = "`link`, `deadline` and `key:…` say who decided when it was none of the approvers"

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

_WORKFLOW = {
    "type": "object",
    "required": ["namespace", "name"],
    "additionalProperties": False,
    "properties": {name: {"type": "string"} for name in ("namespace", "name", "version")},
}
MAP_INPUT: dict[str, Any] = {
    "type": "object",
    "required": ["items"],
    "oneOf": [{"required": ["function"]}, {"required": ["workflow"]}],
    "additionalProperties": False,
    "properties": {
        "items": {"type": "array", "description": "Each is the input of one call or run"},
        "function": {
            "type": "string",
            "description": "A function of a worker, name or name:version",
        },
        "workflow": {**_WORKFLOW, "description": "A workflow; its highest version unless one is given"},
        "concurrency": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10},
        "tolerate": {
            "description": "Failures that do not fault the map: a number of items, or {percent: 5}",
            "oneOf": [
                {"type": "integer", "minimum": 0},
                {
                    "type": "object",
                    "required": ["percent"],
                    "additionalProperties": False,
                    "properties": {"percent": {"type": "number", "minimum": 0, "maximum": 100}},
                },
            ],
            "default": 0,
        },
    },
}
MAP_OUTPUT: dict[str, Any] = {
    "type": "object",
    "required": ["results", "failed"],
    "properties": {
        "results": {"type": "array", "description": "In the order of the items; null for one that failed"},
        "failed": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "error"],
                "properties": {"index": {"type": "integer"}, "error": {"type": "object"}},
            },
        },
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
        FunctionSpec(
            name=MAP,
            effect=EffectClass.KEYED,
            timeout_s=0,
            description="Does a function or a workflow for each item, many at once, with results in order.",
            input_schema=MAP_INPUT,
            output_schema=MAP_OUTPUT,
        ),
    )
}
"""By name. `timeout_s` is 0: only a timeout in the definition limits these functions."""


def may_approve(name: str) -> bool:
    """Whether this is a valid name of an approver (`APPROVER_RULE`)."""
    return name not in ("link", "deadline") and not name.startswith("key:")
