"""`set`: new data (dsl-reference, Set)."""

from typing import Any

from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.templates import CALL, expression_or_object
from visapi_engine.model.program import Common, Literal, SetNode


def compile_set(build: Build, place: Place, body: dict[str, Any], common: Common) -> SetNode:
    given = body["set"]
    if given == {}:
        build.findings.error(place.at("set"), "`set` must have at least one property")
    value = expression_or_object(build, given, place.at("set"), CALL | place.variables, "`set`")
    return SetNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        value=value or Literal(None),
    )


CONSTRUCT = Construct("set", compile_set)
