"""The settings of the services as JSON Schema: what may stand in `<service>.settings` of the chart's values.

What the chart decides itself, and every secret, is left out: the chart gives secrets as files.
"""

import importlib
import inspect
from typing import Any

import msgspec
from reference import SERVICES, docstrings

from visapi_common.runtime.settings import CommonSettings, is_secret

Schema = dict[str, Any]

DECIDED = frozenset(
    {
        "metrics_host",
        "metrics_port",
        "http_host",
        "http_port",
        "drain_s",
        "artifacts_url",
        "s3_endpoint",
        "s3_region",
        "s3_path_style",
        "s3_ca",
        "public_url",
        "nats_url",
    }
)
"""Settings that follow from other values of the chart."""


def settings_class(service: str) -> type[CommonSettings]:
    """The struct that a service reads."""
    module = importlib.import_module(f"{SERVICES[service]}.settings")
    [found] = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, CommonSettings) and kind.__module__ == module.__name__
    ]
    return found


def settings_schema(kind: type[CommonSettings]) -> Schema:
    """An object that takes the settings of `kind` which are neither secret nor decided by the chart."""
    _, components = msgspec.json.schema_components([kind])
    shapes: dict[str, Schema] = components[kind.__name__]["properties"]
    texts = {name: text for each in reversed(kind.__mro__) for name, text in _told(each).items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            field.name: _property(shapes[field.name], texts.get(field.name, ""))
            for field in msgspec.structs.fields(kind)
            if field.name not in DECIDED and not is_secret(field.type)
        },
    }


def _told(kind: type) -> dict[str, str]:
    return docstrings(kind) if issubclass(kind, CommonSettings) else {}


def _property(shape: Schema, meaning: str) -> Schema:
    """One setting, without its default, which the service knows."""
    kept = {name: value for name, value in shape.items() if name != "default"}
    if "anyOf" in kept:
        [kept] = [choice for choice in kept["anyOf"] if choice != {"type": "null"}]
    description = " ".join(meaning.split())
    return {**({"description": description} if description else {}), **kept}
