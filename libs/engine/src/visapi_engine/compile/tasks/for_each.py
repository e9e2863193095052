"""`for`: tasks for each item of a collection, one after the other (dsl-reference, For)."""

from typing import Any

from visapi_engine.checks.shapes import as_object, check_keys, kind
from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.tasks.lists import compile_list
from visapi_engine.compile.tasks.variables import read_variable
from visapi_engine.compile.templates import TASK, expression, template
from visapi_engine.model.program import Common, ForNode, Literal, Template


def compile_for(build: Build, place: Place, body: dict[str, Any], common: Common) -> ForNode:
    given = as_object(build.findings, body["for"], place.at("for"), "`for`") or {}
    if isinstance(body["for"], dict):
        check_keys(build.findings, given, place.at("for"), ("each", "in", "at"), required=("in",))
    each = read_variable(build, given, "each", place.at("for"), "item")
    at = read_variable(build, given, "at", place.at("for"), "index")
    if each == at:
        build.findings.error(place.at("for"), f'`each` and `at` are both called "{each}"; name them apart')
    names = TASK | place.variables
    condition = None
    if "while" in body:
        condition = expression(build, body["while"], place.at("while"), names | {each, at}, "`while`")
    children: list[str] = []
    if "do" in body:
        children = compile_list(build, place, body["do"], "do", bound=frozenset({each, at}))
    else:
        build.findings.error(place.source, 'the property "do" is missing: what to do for each item')
    return ForNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        items=_items(build, given, place.at("for", "in"), names),
        children=children,
        each=each,
        at=at,
        condition=condition,
    )


def _items(build: Build, given: dict[str, Any], at: str, names: frozenset[str]) -> Template:
    value = given.get("in")
    if isinstance(value, list):
        return template(build, value, at, names)
    if isinstance(value, str):
        return expression(build, value, at, names, "`in`") or Literal([])
    if "in" in given:
        build.findings.error(
            at, f"`in` must be an expression that gives a list, or a list, found {kind(value)}"
        )
    return Literal([])


CONSTRUCT = Construct("for", compile_for, extra=("while", "do"))
