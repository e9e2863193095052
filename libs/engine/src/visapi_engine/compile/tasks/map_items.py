"""`call: flow.map`: a function or a workflow for each item of a list."""

from typing import Any, cast

from visapi_engine.checks.shapes import as_integer, as_object, as_text, check_keys, kind
from visapi_engine.compile.build import Build, Place
from visapi_engine.compile.functions import HTTP_FUNCTION, OPENAPI_FUNCTION, read_reference
from visapi_engine.compile.metadata import on_retry, on_uncertain
from visapi_engine.compile.tasks.run_process import LATEST, read_workflow
from visapi_engine.compile.templates import TASK, is_wrapped, template
from visapi_engine.model.catalog import APPROVE, MAP
from visapi_engine.model.parts import CONCURRENCY_MAX
from visapi_engine.model.program import CallNode, Common, Jq, Literal, MapNode, Node, RunNode, Template
from visapi_engine.source.findings import listed
from visapi_engine.source.pointers import join

_ALLOWED = ("items", "function", "workflow", "concurrency", "tolerate")
_TOLERATED_MAX = 10_000_000
_NOT_MAPPED = {
    "http": "a call over HTTP",
    HTTP_FUNCTION: "a call over HTTP",
    "openapi": "a call over HTTP",
    OPENAPI_FUNCTION: "a call over HTTP",
    APPROVE: "a question to people",
    MAP: "another map",
}
_ITSELF = Jq(".")


def compile_map(build: Build, place: Place, body: dict[str, Any], common: Common) -> MapNode:
    at = place.at("with")
    given = as_object(build.findings, body.get("with", {}), at, "`with`") or {}
    if isinstance(body.get("with", {}), dict):
        check_keys(build.findings, given, at, _ALLOWED, required=("items",))
        if len(given.keys() & {"function", "workflow"}) != 1:
            found = listed([name for name in ("function", "workflow") if name in given])
            build.findings.error(at, f"{MAP} takes exactly one of function, workflow, found {found}")
    return MapNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        each=_each(build, place, given, common),
        part=_part(build, place, common),
        items=_items(build, place, given),
        concurrency=_concurrency(build, place, given),
        tolerate=_tolerate(build, place, given),
    )


def _items(build: Build, place: Place, given: dict[str, Any]) -> Template:
    if "items" not in given:
        return Literal([])
    value, at = given["items"], place.at("with", "items")
    if not isinstance(value, list) and not is_wrapped(value):
        build.findings.error(at, f"`items` must be a list, found {kind(value)}")
    return template(build, value, at, TASK | place.variables)


def _concurrency(build: Build, place: Place, given: dict[str, Any]) -> Template:
    if "concurrency" not in given:
        return Literal(10)
    value, at = given["concurrency"], place.at("with", "concurrency")
    if is_wrapped(value):
        return template(build, value, at, TASK | place.variables)
    return Literal(as_integer(build.findings, value, at, "`concurrency`", least=1, most=CONCURRENCY_MAX))


def _tolerate(build: Build, place: Place, given: dict[str, Any]) -> Template:
    if "tolerate" not in given:
        return Literal(0)
    value, at = given["tolerate"], place.at("with", "tolerate")
    if isinstance(value, dict):
        check_keys(build.findings, cast("dict[str, Any]", value), at, ("percent",), required=("percent",))
        share = cast("dict[str, Any]", value).get("percent", 0)
        if not is_wrapped(share) and (
            not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 100
        ):
            build.findings.error(join(at, "percent"), f"`percent` must be from 0 to 100, found {kind(share)}")
    elif not is_wrapped(value):
        as_integer(build.findings, value, at, "`tolerate`", least=0, most=_TOLERATED_MAX)
    return template(build, value, at, TASK | place.variables)


def _each(build: Build, place: Place, given: dict[str, Any], common: Common) -> str:
    """Compile the task for each item, with the item as its input; gives its pointer."""
    node = (
        _workflow(build, place, given, common)
        if "workflow" in given
        else _function(build, place, given, common)
    )
    build.add(node)
    return node.pointer


def _function(build: Build, place: Place, given: dict[str, Any], common: Common) -> Node:
    at = place.at("with", "function")
    text = as_text(build.findings, given["function"], at, "`function`") if "function" in given else None
    name = None
    if text is not None and text.partition(":")[0] in _NOT_MAPPED:
        what = _NOT_MAPPED[text.partition(":")[0]]
        build.findings.error(at, f"{what} cannot be mapped by itself; put it in a workflow, and map that")
    elif text is not None:
        name = read_reference(build.findings, text, at, build.use.functions, known=build.announced)
    return CallNode(
        pointer=join(place.pointer, "with", "function"),
        name=place.name,
        parent=place.pointer,
        common=Common(),
        function="" if name is None else name.name,
        arguments=_ITSELF,
        on_uncertain=place.on_uncertain or on_uncertain(common.metadata) or "hold",
        function_version=None if name is None else name.version,
        on_retry=place.on_retry or on_retry(common.metadata),
    )


def _workflow(build: Build, place: Place, given: dict[str, Any], common: Common) -> Node:
    wanted = read_workflow(build, given["workflow"], place.at("with", "workflow"))
    return RunNode(
        pointer=join(place.pointer, "with", "workflow"),
        name=place.name,
        parent=place.pointer,
        common=Common(),
        namespace=wanted.get("namespace", ""),
        workflow=wanted.get("name", ""),
        version=wanted.get("version", LATEST),
        on_retry=place.on_retry or on_retry(common.metadata) or "remember",
    )


def _part(build: Build, place: Place, common: Common) -> str:
    """Compile the task that starts a part of a large map. Its program is named later (`model/parts.py`)."""
    pointer = join(place.pointer, "with", "part")
    build.add(
        RunNode(
            pointer=pointer,
            name=f"{place.name} (part)",
            parent=place.pointer,
            common=Common(),
            namespace="",
            workflow="",
            version="",
            on_retry=place.on_retry or on_retry(common.metadata) or "remember",
        )
    )
    return pointer
