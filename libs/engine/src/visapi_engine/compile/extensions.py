"""Extensions (dsl-reference, Extension): tasks before and after the tasks of a kind.

An extension is expanded around each task that it extends. The outputs of its tasks are dropped, unless a
task of `before` has `then: exit`: its output is then the output, and the extended task does not run. Tasks
of extensions are not extended themselves.
"""

from typing import Any, cast

from visapi_engine.checks.shapes import as_choice, as_list, as_object, check_keys, kind
from visapi_engine.compile.build import Build, Extension, Place
from visapi_engine.compile.tasks.lists import extension_tasks
from visapi_engine.source.findings import listed
from visapi_engine.source.pointers import join

KINDS = ("call", "composite", "emit", "for", "listen", "raise", "run", "set", "switch", "try", "wait", "all")
_KEYS = ("extend", "when", "before", "after")
_COMPOSITE = ("do", "fork")


def read_extensions(build: Build, value: Any) -> list[Extension]:
    """`use.extensions`, in order; the first is the outermost around a task."""
    found: list[Extension] = []
    for index, item in enumerate(as_list(build.findings, value, "/use/extensions", "`extensions`") or []):
        at = join("/use/extensions", index)
        if not isinstance(item, dict) or len(cast("dict[str, Any]", item)) != 1:
            build.findings.error(
                at, f"an item must be an object with one name and its extension, found {kind(item)}"
            )
            continue
        ((name, body),) = cast("dict[str, Any]", item).items()
        extension = _read(build, name, body, join(at, name))
        if any(extension.name == other.name for other in found):
            build.findings.error(join(at, name), f'two extensions are called "{name}"')
            continue
        found.append(extension)
    return found


def _read(build: Build, name: str, body: Any, at: str) -> Extension:
    given = as_object(build.findings, body, at, "an extension") or {}
    if isinstance(body, dict):
        check_keys(build.findings, given, at, _KEYS, required=("extend",))
        if not given.keys() & {"before", "after"}:
            build.findings.error(at, f"an extension needs at least one of {listed(('before', 'after'))}")
    extends: frozenset[str] = frozenset()
    if "extend" in given:
        chosen = as_choice(build.findings, given["extend"], join(at, "extend"), "`extend`", KINDS)
        extends = frozenset(_COMPOSITE if chosen == "composite" else (chosen or "",))
    return Extension(name=name, at=at, extends=extends, body=given)


def check_extension(build: Build, extension: Extension) -> None:
    """Compile an extension once, whether it extends a task or not."""
    before = dict(build.nodes)
    place = Place(pointer=extension.at, source=extension.at, name=extension.name, parent=None, extending=True)
    extension_tasks(build, place, extension)
    build.nodes = before
