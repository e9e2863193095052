"""Examples of the bodies of responses, made from their schemas, in the API's description."""

from collections.abc import Mapping
from typing import Any, cast

_TIME = "2026-01-05T09:00:00Z"
_FORMATS = {"date-time": _TIME, "date": "2026-01-05", "uuid": "019b8d2a-5f00-7abc-8def-0123456789ab"}
_NAMES: dict[str, str] = {
    "namespace": "orders",
    "name": "confirm",
    "workflow": "orders/confirm",
    "version": "1.0.0",
    "tenant": "acme",
    "pointer": "/do/0/greet",
    "path": "/do/0/greet",
    "url": "https://crm.example.com/visapi",
    "event_from": "X-Event-Type",
    "id_from": "/id",
    "subject_from": "/order/id",
    "headers": "X-Shop",
    "header": "X-Signature",
    "timestamp_header": "X-Timestamp",
    "function": "pdf.render",
    "dsl": "1.0.3",
    "etag": '"5d41402abc4b"',
    "reason": "The supplier's API was down.",
    "detail": "The detail says what is wrong, and how to mend it.",
    "title": "A title",
    "type": "com.example.order.paid",
    "source": "/shop",
    "created_by": "key:ci",
    "updated_by": "key:ci",
}
"""Values of texts, by the names of their fields."""
_DEPTH_MAX = 8


class ResponseExamples:
    """Makes a value that a schema allows; the names of fields say what texts hold."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        """By the names that other schemas refer to."""

    def of(self, schema: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
        """A value of `schema`, in a field called `name`, `depth` levels down."""
        if depth > _DEPTH_MAX:
            return None
        if "$ref" in schema:
            return self.of(self._schemas[schema["$ref"].rpartition("/")[2]], name, depth)
        if "anyOf" in schema:
            return self.of(_fullest(schema["anyOf"]), name, depth)
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                return [self.of(schema.get("items", {}), name, depth + 1)]
            case _:
                return _plain(schema, name)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        if "properties" in schema:
            return {name: self.of(field, name, depth + 1) for name, field in schema["properties"].items()}
        values = schema.get("additionalProperties")
        return {"order": self.of(cast("dict[str, Any]", values), "order", depth + 1) if values else 42}


def _fullest(options: list[dict[str, Any]]) -> dict[str, Any]:
    """The first option that is not null."""
    return next((option for option in options if option.get("type") != "null"), options[0])


def _plain(schema: Mapping[str, Any], name: str) -> Any:
    """A value that is neither a list nor an object."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case "string":
            known = _NAMES.get(name, name.removesuffix("s") or "text")
            text: str = _FORMATS.get(schema.get("format", ""), known)
            return text[: schema.get("maxLength")]
        case _:
            return {"order": 42}  # Any JSON.
