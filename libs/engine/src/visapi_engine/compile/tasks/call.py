"""`call`: HTTP, functions of workers, and the reusable functions of the definition (dsl-reference, Call).

A reusable function is expanded where it is called: the call becomes a sequence of two tasks, the
first setting the function's input from `with`, the second the function's own task.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from visapi_engine.checks.shapes import as_object, as_text
from visapi_engine.compile.announced import check_announced
from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.functions import (
    HTTP_FUNCTION,
    OPENAPI_FUNCTION,
    REFUSED_CALLS,
    FunctionName,
    check_arguments,
    read_reference,
)
from visapi_engine.compile.http_call import HttpCall, compile_http
from visapi_engine.compile.metadata import on_retry, on_uncertain
from visapi_engine.compile.openapi_call import compile_openapi
from visapi_engine.compile.tasks.approve import compile_approve
from visapi_engine.compile.tasks.lists import compile_task
from visapi_engine.compile.tasks.map_items import compile_map
from visapi_engine.compile.templates import CALL, template
from visapi_engine.model.catalog import APPROVE, MAP
from visapi_engine.model.program import (
    ApproveNode,
    CallNode,
    Common,
    DoNode,
    Literal,
    MapNode,
    SetNode,
    Template,
)
from visapi_engine.source.pointers import join

_OUTBOUND: Mapping[str, tuple[str, Callable[[Build, Any, str, frozenset[str]], HttpCall]]] = {
    "http": (HTTP_FUNCTION, compile_http),
    HTTP_FUNCTION: (HTTP_FUNCTION, compile_http),
    "openapi": (OPENAPI_FUNCTION, compile_openapi),
    OPENAPI_FUNCTION: (OPENAPI_FUNCTION, compile_openapi),
}


def compile_call(
    build: Build, place: Place, body: dict[str, Any], common: Common
) -> CallNode | DoNode | ApproveNode | MapNode:
    name = as_text(build.findings, body["call"], place.at("call"), "`call`")
    if name is None:
        return _call(place, common, FunctionName("", None), Literal(None))
    if name in REFUSED_CALLS:
        build.findings.refuse(place.at("call"), REFUSED_CALLS[name])
        return _call(place, common, FunctionName("", None), Literal(None))
    if name in build.use.functions:
        return _expand(build, place, body, common, name)
    if name in _OUTBOUND:
        return _outbound(build, place, body, common, name)
    function = read_reference(
        build.findings, name, place.at("call"), build.use.functions, known=build.announced
    )
    if function is None:
        return _call(place, common, FunctionName("", None), Literal(None))
    if function.name == APPROVE:
        return compile_approve(build, place, body, common)
    if function.name == MAP:
        return compile_map(build, place, body, common)
    before = len(build.findings.errors)
    arguments = _arguments(build, place, body)
    if isinstance(body.get("with", {}), dict):
        check_arguments(build.findings, function.name, body.get("with", {}), place.at("with"))
        if len(build.findings.errors) == before:
            check_announced(build.findings, build.announced, function, arguments, place.at("with"))
    return _call(place, common, function, arguments)


def _outbound(build: Build, place: Place, body: dict[str, Any], common: Common, name: str) -> CallNode:
    function, compile_with = _OUTBOUND[name]
    if "with" not in body:
        build.findings.error(
            place.source, f'the property "with" is missing: `call: {name}` needs its arguments'
        )
        return _call(place, common, FunctionName(function, None), Literal(None))
    compiled = compile_with(build, body["with"], place.at("with"), CALL | place.variables)
    node = _call(place, common, FunctionName(function, None), compiled.arguments)
    return msgspec.structs.replace(node, scheme=compiled.scheme)


def _call(place: Place, common: Common, function: FunctionName, arguments: Template) -> CallNode:
    return CallNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        function=function.name,
        arguments=arguments,
        on_uncertain=place.on_uncertain or on_uncertain(common.metadata) or "hold",
        function_version=function.version,
        on_retry=place.on_retry or on_retry(common.metadata),
    )


def _arguments(build: Build, place: Place, body: dict[str, Any]) -> Template:
    given = as_object(build.findings, body.get("with", {}), place.at("with"), "`with`")
    return (
        template(build, given, place.at("with"), CALL | place.variables)
        if given is not None
        else Literal(None)
    )


def _expand(build: Build, place: Place, body: dict[str, Any], common: Common, name: str) -> DoNode:
    children: list[str] = []
    if name in place.calling:
        chain = " calls ".join([*place.calling, name])
        build.findings.error(place.at("call"), f"functions must not call themselves: {chain}")
    else:
        if "with" in body:
            children.append(_set_input(build, place, body))
        children.append(_inner(build, place, common, name))
    return DoNode(
        pointer=place.pointer, name=place.name, parent=place.parent, common=common, children=children
    )


def _set_input(build: Build, place: Place, body: dict[str, Any]) -> str:
    pointer = join(place.pointer, "with")
    arguments = _arguments(build, place, body)
    build.add(SetNode(pointer=pointer, name="with", parent=place.pointer, common=Common(), value=arguments))
    return pointer


def _inner(build: Build, place: Place, common: Common, name: str) -> str:
    inner = Place(
        pointer=join(place.pointer, "call"),
        source=join("/use/functions", name),
        name=name,
        parent=place.pointer,
        calling=(*place.calling, name),
        on_uncertain=place.on_uncertain or on_uncertain(common.metadata),
        on_retry=place.on_retry or on_retry(common.metadata),
    )
    compile_task(build, inner, build.use.functions[name])
    return inner.pointer


CONSTRUCT = Construct("call", compile_call, extra=("with",))
