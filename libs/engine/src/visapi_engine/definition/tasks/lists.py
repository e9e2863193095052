"""Lists of named tasks, and the choice of the construct for each of them."""

from typing import Any, cast

from visapi_engine.definition.build import Build, Place
from visapi_engine.definition.data_flow import TASK_KEYS, read_common
from visapi_engine.definition.findings import listed, nearest
from visapi_engine.definition.flow import DIRECTIVES, unreachable
from visapi_engine.definition.pointers import join
from visapi_engine.definition.shapes import as_list, as_object, check_keys, kind
from visapi_engine.definition.templates import TOO_LARGE

REFUSED = {
    "for": "loops (`for`)",
    "emit": "publishing events (`emit`)",
    "listen": "waiting for events (`listen`)",
    "run": "running workflows, containers, scripts and shell commands (`run`)",
}
"""Constructs of the specification that this release does not have."""


def compile_list(
    build: Build, parent: Place, value: Any, *parts: str, bound: frozenset[str] = frozenset()
) -> list[str]:
    """The tasks under `parts` of a place, in order; gives their pointers."""
    return _compile(build, parent, value, parts, bound, in_fork=False)


def compile_branches(build: Build, parent: Place, value: Any, *parts: str) -> list[str]:
    """The branches of a fork: like a list, but nothing may jump between them."""
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
    pointers = {name: join(base, index, name) for index, (name, _) in named.items()}
    for index, (name, body) in named.items():
        place = Place(
            pointer=join(base, index, name),
            source=join(at, index, name),
            name=name,
            parent=parent.pointer or None,
            siblings={} if in_fork else pointers,
            in_fork=in_fork,
            variables=parent.variables | bound,
            calling=parent.calling,
            on_uncertain=parent.on_uncertain,
        )
        compile_task(build, place, body)
    children = [join(base, index, name) for index, (name, _) in named.items()]
    if not in_fork and not build.findings.errors:
        for pointer in unreachable(children, build.nodes):
            build.findings.warn(pointer, "no path leads to this task")
    return children


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
        named[index] = (name, body)
    return named


def compile_task(build: Build, place: Place, value: Any) -> None:
    """One task: find its construct, check its properties, add its node."""
    if build.full:
        build.findings.error("", TOO_LARGE)
        return
    body = as_object(build.findings, value, place.source, "a task")
    if body is None:
        return
    refused = [key for key in REFUSED if key in body]
    if refused:
        build.findings.refuse(place.at(refused[0]), REFUSED[refused[0]])
        return
    keywords = [key for key in build.constructs if key in body]
    if len(keywords) != 1:
        _report_construct(build, place, body, keywords)
        return
    construct = build.constructs[keywords[0]]
    check_keys(build.findings, body, place.source, (construct.keyword, *construct.extra, *TASK_KEYS))
    build.add(construct.compile(build, place, body, read_common(build, place, body)))


def _report_construct(build: Build, place: Place, body: dict[str, Any], keywords: list[str]) -> None:
    if keywords:
        build.findings.error(place.source, f"a task does one thing; this one has {listed(keywords)}")
        return
    unknown = [key for key in body if key not in TASK_KEYS]
    hint = next((found for key in unknown if (found := nearest(key, [*build.constructs, *REFUSED]))), "")
    found = f"found {listed(unknown)}.{hint}" if unknown else "found none."
    build.findings.error(place.source, f"a task needs one of {listed(build.constructs)}; {found}")
