"""Names of variables that a construct binds: `for.each`, `for.at`, `catch.as`, an iterator's `item`."""

import re
from typing import Any

from visapi_engine.checks.shapes import as_text
from visapi_engine.compile.build import Build
from visapi_engine.compile.templates import STANDARD
from visapi_engine.source.pointers import join

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z_0-9]*")


def read_variable(build: Build, given: dict[str, Any], key: str, at: str, default: str) -> str:
    """The name under `key`, with or without its `$`; the default if it is absent or invalid."""
    if key not in given:
        return default
    at = join(at, key)
    name = as_text(build.findings, given[key], at, f"`{key}`")
    if name is None:
        return default
    name = name.removeprefix("$")
    if not _NAME.fullmatch(name):
        build.findings.error(at, f'"{name}" cannot name a variable; use letters, digits and _')
        return default
    if name in STANDARD:
        build.findings.error(at, f"`${name}` already has a meaning; choose another name")
        return default
    return name
