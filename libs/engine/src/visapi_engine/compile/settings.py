"""`document.metadata.visapi`: settings beyond the specification (docs/reference/language.md)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from visapi_engine.checks.shapes import as_object, check_keys
from visapi_engine.compile.attributes import read_attributes
from visapi_engine.compile.build import Build
from visapi_engine.compile.flow_control import read_concurrency, read_priority, read_rate_limit
from visapi_engine.model.program import Settings
from visapi_engine.source.pointers import join

_AT = "/document/metadata/visapi"


class Setting(NamedTuple):
    """One setting: the field of `Settings` it fills, and its reader (build, value, pointer)."""

    field: str
    read: Callable[[Build, Any, str], Any]


SETTINGS: Mapping[str, Setting] = {
    "attributes": Setting("attributes", read_attributes),
    "concurrency": Setting("concurrency", read_concurrency),
    "rateLimit": Setting("rate_limit", read_rate_limit),
    "priority": Setting("priority", read_priority),
}
"""Every setting by its name in a document, except `schedule`, which is read with the schedule."""


def read_settings(build: Build, document: Mapping[str, Any]) -> Settings | None:
    """The settings of a document; None when it has none."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or "visapi" not in metadata:
        return None
    value = cast("dict[str, Any]", metadata)["visapi"]
    given = as_object(build.findings, value, _AT, "`metadata.visapi`")
    if not given:
        return None
    check_keys(build.findings, given, _AT, (*SETTINGS, "schedule"))
    return Settings(
        **{
            setting.field: setting.read(build, given[key], join(_AT, key))
            for key, setting in SETTINGS.items()
            if key in given
        }
    )
