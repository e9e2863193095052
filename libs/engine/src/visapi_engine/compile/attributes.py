"""`document.metadata.visapi.attributes`: the search attributes, each a name and an expression."""

import re
from typing import Any

from visapi_engine.checks.shapes import as_object
from visapi_engine.compile.build import Build
from visapi_engine.compile.templates import WORKFLOW_OUTPUT, expression
from visapi_engine.expressions.gate import inspect
from visapi_engine.model.program import Attribute, Jq
from visapi_engine.source.pointers import join

ATTRIBUTES_MAX = 20
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,62}")
_NAMES = WORKFLOW_OUTPUT | {"output"}


def read_attributes(build: Build, value: Any, at: str) -> dict[str, Attribute]:
    """The attributes by name. Their expressions may not use secrets."""
    given = as_object(build.findings, value, at, "`attributes`") or {}
    if len(given) > ATTRIBUTES_MAX:
        build.findings.error(at, f"at most {ATTRIBUTES_MAX} attributes, found {len(given)}")
    found: dict[str, Attribute] = {}
    for name, source in given.items():
        place = join(at, name)
        if not NAME.fullmatch(name):
            build.findings.error(
                place,
                f'the attribute "{name}" must be named by a letter and up to 62 letters, digits, "_" and "-"',
            )
        value = expression(build, source, place, _NAMES, f'the attribute "{name}"')
        if isinstance(value, Jq):
            used = inspect(value.source).variables
            found[name] = Attribute(value, "context" in used, "output" in used)
    return found
