"""Checks the arguments of a `call` against the schema that a worker announced for its function.

An expression may give any value: only what no value could correct is reported as a mistake.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from visapi_common.contracts.task_messages import FunctionSpec
from visapi_engine.checks.schemas import SchemaInvalid, build_validator
from visapi_engine.compile.functions import FunctionName
from visapi_engine.model.program import Jq, Literal, Record, Sequence, Template
from visapi_engine.source.findings import Findings
from visapi_engine.source.pointers import join

Announced = Mapping[str, FunctionSpec]
"""Functions by name, as last announced by their workers."""

REPORTED_MAX = 20
"""Mistakes reported for one call."""
_DETAIL_MAX = 300

_OF_SHAPE = frozenset(
    {
        "type",
        "required",
        "additionalProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "minItems",
        "maxItems",
        "dependentRequired",
    }
)
"""Keywords that check the kind, the names or the size of an object or a list: the definition fixes them."""
_CONDITIONAL = frozenset({"then", "else", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems"})
"""Keywords that check one member depending on another."""

_Path = tuple[str | int, ...]


def check_announced(
    findings: Findings, announced: Announced, function: FunctionName, arguments: Template, at: str
) -> None:
    """Report the arguments that the function's schema refuses, whatever the expressions give."""
    spec = announced.get(function.name)
    if spec is not None and function.version in (None, spec.version):
        check_written(findings, spec, arguments, at)


def check_written(findings: Findings, spec: FunctionSpec, arguments: Template, at: str) -> None:
    """The same, for a function that is known."""
    if spec.input_schema is None:
        return
    try:
        validator = build_validator(spec.input_schema)
    except SchemaInvalid as invalid:
        detail = f"{spec.name} announced an input schema that is none; it is not used: {invalid}"
        findings.warn(at, detail)
        return
    holes: set[_Path] = set()
    value = _written(arguments, (), holes)
    for count, error in enumerate(_certain(validator, value, holes)):
        if count == REPORTED_MAX:
            break
        where = join(at, *error.instance_path)
        message = error.message if len(error.message) <= _DETAIL_MAX else f"{error.message[:_DETAIL_MAX]}…"
        findings.error(where, f"{spec.name} {spec.version} does not take this: {message}")


def _written(template: Template, path: _Path, holes: set[_Path]) -> Any:
    """The arguments as written, with null in the place of each expression."""
    match template:
        case Literal(value=value):
            return value
        case Jq():
            holes.add(path)
            return None
        case Record(fields=fields):
            return {key: _written(inner, (*path, key), holes) for key, inner in fields.items()}
        case Sequence(items=items):
            return [_written(inner, (*path, index), holes) for index, inner in enumerate(items)]


def _certain(
    validator: jsonschema_rs.Draft202012Validator, value: Any, holes: set[_Path]
) -> Iterator[jsonschema_rs.ValidationError]:
    for error in validator.iter_errors(value):
        path = tuple(error.instance_path)
        rules = [str(part) for part in error.evaluation_path]
        if any(path[: len(hole)] == hole for hole in holes):
            continue
        if holes and not _CONDITIONAL.isdisjoint(rules):
            continue
        has_holes = any(hole[: len(path)] == path for hole in holes)
        if not has_holes or (rules and rules[-1] in _OF_SHAPE):
            yield error
