"""Lists of named tasks, and the construct of each task."""

from typing import Any, cast

import msgspec

from visapi_engine.checks.shapes import as_list, as_object, check_keys, kind
from visapi_engine.compile.build import Build, Extension, Place
from visapi_engine.compile.data_flow import TASK_KEYS, read_common
from visapi_engine.compile.flow import DIRECTIVES, unreachable
from visapi_engine.compile.templates import TASK_BEFORE, TOO_LARGE, expression
from visapi_engine.model.program import Common, ExtendNode, Node, Template
from visapi_engine.source.findings import listed, nearest
from visapi_engine.source.pointers import join

NAME_BYTES_MAX = 256
"""Bytes of a task's name. Every item of a run's history repeats the names above its task."""
POINTER_BYTES_MAX = 2048
"""Bytes of a task's pointer: with its iterations it travels in headers and as a key of messages."""


def compile_list(
    build: Build, parent: Place, value: Any, *parts: str, bound: frozenset[str] = frozenset()
) -> list[str]:
    """Compile the tasks under `parts` of a place, in order; gives their pointers."""
    return _compile(build, parent, value, parts, bound, in_fork=False)


def compile_branches(build: Build, parent: Place, value: Any, *parts: str) -> list[str]:
    """Compile the branches of a fork: like a list, but without jumps between them."""
    return _compile(build, parent, value, parts, frozenset(), in_fork=True)


def _compile(
    build: Build, parent: Place, value: Any, parts: tuple[str, ...], bound: frozenset[str], *, in_fork: bool
) -> list[str]:
    at = parent.at(*parts)
    items = as_list(build.findings, value, at, "a list of tasks")
    if items is None:
        return []
    if not items:
        build.findings.error(at, "the list of tasks is empty")
    named = _names(build, items, at)
    base = join(parent.pointer, *parts)
    extending, calling = parent.extending, parent.calling
    entries = {
        name: _entry(build, parent, join(base, index, name), body) for index, (name, body) in named.items()
    }
    for index, (name, body) in named.items():
        place = Place(
            pointer=join(base, index, name),
            source=join(at, index, name),
            name=name,
            parent=parent.pointer or None,
            siblings={} if in_fork else entries,
            in_fork=in_fork,
            variables=parent.variables | bound,
            calling=calling,
            on_uncertain=parent.on_uncertain,
            extending=extending,
        )
        compile_task(build, place, body)
    children = list(entries.values())
    if not in_fork and not build.findings.errors:
        for pointer in unreachable(children, build.nodes):
            build.findings.warn(pointer, "no path leads to this task")
    return children


def _entry(build: Build, parent: Place, pointer: str, body: Any) -> str:
    """Where a task is entered: at its outermost extension, else at itself."""
    keyword = build.keyword_of(body)
    layers = [] if keyword is None else build.extensions_of(parent, keyword)
    return join(pointer, "extensions", layers[0].name) if layers else pointer


def _names(build: Build, items: list[Any], at: str) -> dict[int, tuple[str, Any]]:
    named: dict[int, tuple[str, Any]] = {}
    seen: set[str] = set()
    for index, item in enumerate(items):
        where = join(at, index)
        if not isinstance(item, dict) or len(cast(dict[str, Any], item)) != 1:
            found = kind(item) if not isinstance(item, dict) else f"{len(cast(dict[str, Any], item))} names"
            build.findings.error(
                where, f"an item must be an object with one name and its task, found {found}"
            )
            continue
        ((name, body),) = cast(dict[str, Any], item).items()
        if name in seen:
            build.findings.error(join(where, name), f'two tasks of this list are called "{name}"')
            continue
        if name in DIRECTIVES:
            build.findings.error(
                join(where, name), f'a task cannot be called "{name}", which is a flow directive'
            )
        seen.add(name)
        if _too_long(build, name, NAME_BYTES_MAX, where, "the task's name"):
            continue
        named[index] = (name, body)
    return named


def _too_long(build: Build, text: str, most: int, at: str, what: str) -> bool:
    size = len(text.encode("utf-8", "replace"))
    if size > most:
        build.findings.error(at, f"{what} has {size} bytes, at most {most} are allowed; shorten the names")
    return size > most


def compile_task(build: Build, place: Place, value: Any) -> None:
    """One task: find its construct, check its properties, add its node."""
    if build.full:
        build.findings.error("", TOO_LARGE)
        return
    if _too_long(build, place.pointer, POINTER_BYTES_MAX, place.parent or "", "the pointer of a task here"):
        return
    body = as_object(build.findings, value, place.source, "a task")
    if body is None:
        return
    keyword = build.keyword_of(body)
    if keyword is None:
        _report_construct(build, place, body)
        return
    construct = build.constructs[keyword]
    check_keys(build.findings, body, place.source, (construct.keyword, *construct.extra, *TASK_KEYS))
    build.definitions[place.pointer] = body
    node = construct.compile(build, place, body, read_common(build, place, body))
    _add_extended(build, place, keyword, node)


def _report_construct(build: Build, place: Place, body: dict[str, Any]) -> None:
    keywords = [key for key in build.constructs if key in body]
    if keywords:
        build.findings.error(place.source, f"a task does one thing; this one has {listed(keywords)}")
        return
    unknown = [key for key in body if key not in TASK_KEYS]
    hint = next((found for key in unknown if (found := nearest(key, build.constructs))), "")
    found = f"found {listed(unknown)}.{hint}" if unknown else "found none."
    build.findings.error(place.source, f"a task needs one of {listed(build.constructs)}; {found}")


def _add_extended(build: Build, place: Place, keyword: str, node: Node) -> None:
    """Add a compiled task, with the extensions of its kind around it."""
    layers = build.extensions_of(place, keyword)
    wrappers = [join(place.pointer, "extensions", layer.name) for layer in layers]
    for index, layer in enumerate(layers):
        when, before, after = extension_tasks(build, place.with_layer(wrappers[index], layer.at), layer)
        build.add(
            ExtendNode(
                pointer=wrappers[index],
                name=place.name,
                parent=wrappers[index - 1] if index else place.parent,
                common=Common(when=node.common.when) if index == 0 else Common(),
                target=wrappers[index + 1] if index + 1 < len(layers) else place.pointer,
                when=when,
                before=before,
                after=after,
            )
        )
    if wrappers:
        common = msgspec.structs.replace(node.common, when=None)
        node = msgspec.structs.replace(node, parent=wrappers[-1], common=common)
    build.add(node)


def extension_tasks(
    build: Build, place: Place, extension: Extension
) -> tuple[Template | None, list[str], list[str]]:
    """An extension's condition, and the pointers of its tasks before and after, around one task."""
    given = extension.body
    when = None
    if "when" in given:
        when = expression(build, given["when"], join(extension.at, "when"), TASK_BEFORE, "`when`")
    before = compile_list(build, place, given["before"], "before") if "before" in given else []
    after = compile_list(build, place, given["after"], "after") if "after" in given else []
    return when, before, after
