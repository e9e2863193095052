"""`raise`: raise an error (dsl-reference, Raise and Error)."""

from typing import Any

from visapi_engine.checks.shapes import as_object, check_keys
from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.errors import read_error
from visapi_engine.compile.templates import TASK
from visapi_engine.model.program import Common, Literal, RaiseNode


def compile_raise(build: Build, place: Place, body: dict[str, Any], common: Common) -> RaiseNode:
    given = as_object(build.findings, body["raise"], place.at("raise"), "`raise`")
    error = None
    if given is not None:
        check_keys(build.findings, given, place.at("raise"), ("error",), required=("error",))
        if "error" in given:
            error = read_error(build, given["error"], place.at("raise", "error"), TASK | place.variables)
    return RaiseNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        error=error or Literal(None),
    )


CONSTRUCT = Construct("raise", compile_raise)
