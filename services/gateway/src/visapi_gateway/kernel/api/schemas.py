"""JSON Schemas of the bodies and queries of all operations, with the bounds of what a client may send."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from msgspec import inspect

from visapi_common.contracts.problems import Problem
from visapi_gateway.kernel.api.operation import Operation
from visapi_gateway.kernel.api.response_examples import ResponseExamples

REF = "#/components/schemas/{name}"
_LENGTHS = {"uuid": 36, "date": 10, "date-time": 64}
"""The most characters of a text of this format."""
_BOUNDS = {"maxLength", "enum", "const"}
_INT32_MAX = 2**31 - 1


class Schemas:
    """JSON Schemas of all bodies, and of the fields of all queries."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        kinds: list[Any] = [Problem]
        for operation in operations:
            kinds += [answer.body for answer in operation.responses.values() if answer.body is not None]
            kinds += [kind for kind in (operation.body, operation.query) if kind is not None]
        self._kinds = list(dict.fromkeys(kinds))
        schemas, components = msgspec.json.schema_components(self._kinds, ref_template=REF, schema_hook=_raw)
        self._schemas = dict(zip(self._kinds, schemas, strict=True))
        structs = _structs(inspect.multi_type_info(self._kinds))
        self._components = {
            name: bounded(_with_times(schema, structs[name]) if name in structs else schema)
            for name, schema in components.items()
        }
        self.examples = ResponseExamples(self._components)

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a body."""
        return self._schemas[kind]

    def fields(self, kind: type[msgspec.Struct]) -> dict[str, Any]:
        """The schemas of a query's fields, by name."""
        return self._components[kind.__name__]["properties"]

    def components(self) -> dict[str, Any]:
        """The named schemas that others refer to."""
        queries = {kind.__name__ for kind in self._kinds if kind.__name__.endswith(("Query", "Listing"))}
        return {name: schema for name, schema in self._components.items() if name not in queries}


def bounded(schema: dict[str, Any], length_max: int | None = None) -> dict[str, Any]:
    """The schema with bounds: texts of a known format have a length, other texts have `length_max` where they
    declare nothing, and integers with a maximum have the format that holds them.
    """
    bound = {name: _bounded_part(part, length_max) for name, part in schema.items()}
    match bound:
        case {"type": "string", "format": str(form)} if form in _LENGTHS:
            bound.setdefault("maxLength", _LENGTHS[form])
        case {"type": "string"} if length_max is not None and not bound.keys() & _BOUNDS:
            bound["maxLength"] = length_max
        case {"type": "integer", "maximum": int(maximum)}:
            bound["format"] = "int32" if maximum <= _INT32_MAX else "int64"
        case _:
            pass
    if isinstance(pattern := bound.get("pattern"), str):
        # Python's end of a text; in ECMA-262, whose expressions JSON Schema has, `$` is just that.
        bound["pattern"] = pattern.replace(r"\Z", "$")
    return bound


def _bounded_part(part: Any, length_max: int | None) -> Any:
    match part:
        case dict():
            return bounded(cast("dict[str, Any]", part), length_max)
        case list():
            return [_bounded_part(each, length_max) for each in cast("list[Any]", part)]
        case _:
            return part


def _structs(kinds: Sequence[inspect.Type]) -> dict[str, inspect.StructType]:
    """The structs that these types are made of, by name."""
    found: dict[str, inspect.StructType] = {}
    unseen = list(kinds)
    while unseen:
        kind = unseen.pop()
        if isinstance(kind, inspect.StructType):
            if kind.cls.__name__ in found:
                continue
            found[kind.cls.__name__] = kind
        unseen += _parts(kind)
    return found


def _parts(kind: inspect.Type) -> list[inspect.Type]:
    match kind:
        case inspect.StructType(fields=fields):
            return [field.type for field in fields]
        case inspect.Metadata(type=inner):
            return [inner]
        case inspect.UnionType(types=types):
            return list(types)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return [item]
        case inspect.DictType(value_type=value):
            return [value]
        case _:
            return []


def _with_times(schema: dict[str, Any], struct: inspect.StructType) -> dict[str, Any]:
    """The schema of a struct, in which each field that holds a time says so."""
    shown = dict(schema["properties"])
    for field in struct.fields:
        shown[field.encode_name] = _time(shown[field.encode_name], _holds_time(field.type))
    return {**schema, "properties": shown}


def _holds_time(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.DateTimeType) or any(
        isinstance(part, inspect.DateTimeType)
        for part in _parts(kind)
        if not isinstance(kind, inspect.StructType)
    )


def _time(schema: dict[str, Any], is_time: bool) -> dict[str, Any]:
    """Msgspec names the format only where a time zone is required."""
    if is_time and schema.get("type") == "string":
        return {**schema, "format": "date-time"}
    if is_time and "anyOf" in schema:
        return {**schema, "anyOf": [_time(option, is_time) for option in schema["anyOf"]]}
    return schema


def _raw(kind: type) -> dict[str, Any]:
    """`msgspec.Raw` holds any JSON."""
    if kind is msgspec.Raw:
        return {"description": "Any JSON."}
    raise NotImplementedError  # msgspec expects this exception from a schema hook for an unknown type
