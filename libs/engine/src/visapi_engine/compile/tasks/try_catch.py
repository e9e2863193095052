"""`try`: tasks, the errors that are caught, and what happens then (dsl-reference, Try)."""

from typing import Any

import msgspec

from visapi_engine.checks.shapes import as_object, check_keys
from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.errors import read_filter
from visapi_engine.compile.flow import read_flow
from visapi_engine.compile.retries import read_retry
from visapi_engine.compile.tasks.lists import compile_list
from visapi_engine.compile.tasks.variables import read_variable
from visapi_engine.compile.templates import TASK, expression
from visapi_engine.model.program import Common, TryNode

_CATCH_KEYS = ("errors", "as", "when", "exceptWhen", "retry", "do", "then")


def compile_try(build: Build, place: Place, body: dict[str, Any], common: Common) -> TryNode:
    children = compile_list(build, place, body["try"], "try")
    node = TryNode(
        pointer=place.pointer, name=place.name, parent=place.parent, common=common, children=children
    )
    if "catch" not in body:
        build.findings.error(place.source, 'the property "catch" is missing')
        return node
    given = as_object(build.findings, body["catch"], place.at("catch"), "`catch`")
    return node if given is None else _catch(build, place, given, node)


def _catch(build: Build, place: Place, given: dict[str, Any], node: TryNode) -> TryNode:
    check_keys(build.findings, given, place.at("catch"), _CATCH_KEYS)
    error_as = read_variable(build, given, "as", place.at("catch"), "error")
    names = TASK | place.variables | {error_as}
    conditions = {
        key: expression(build, given[key], place.at("catch", key), names, f"`{key}`")
        for key in ("when", "exceptWhen")
        if key in given
    }
    handlers: list[str] = []
    if "do" in given:
        handlers = compile_list(build, place, given["do"], "catch", "do", bound=frozenset({error_as}))
    then = None
    if "then" in given:
        then = read_flow(build.findings, place, given["then"], place.at("catch", "then"))
    return msgspec.structs.replace(
        node,
        errors=read_filter(build, given["errors"], place.at("catch", "errors"))
        if "errors" in given
        else None,
        error_as=error_as,
        when=conditions.get("when"),
        except_when=conditions.get("exceptWhen"),
        retry=read_retry(build, given["retry"], place.at("catch", "retry"), names)
        if "retry" in given
        else None,
        catch_children=handlers,
        catch_then=then,
    )


CONSTRUCT = Construct("try", compile_try, extra=("catch",))
