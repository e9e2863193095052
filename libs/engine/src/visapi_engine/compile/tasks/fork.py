"""`fork`: branches at the same time, or in competition (dsl-reference, Fork)."""

from typing import Any

from visapi_engine.checks.shapes import as_flag, as_object, check_keys
from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.tasks.lists import compile_branches
from visapi_engine.model.program import Common, ForkNode


def compile_fork(build: Build, place: Place, body: dict[str, Any], common: Common) -> ForkNode:
    given = as_object(build.findings, body["fork"], place.at("fork"), "`fork`") or {}
    if isinstance(body["fork"], dict):
        check_keys(build.findings, given, place.at("fork"), ("branches", "compete"), required=("branches",))
    branches: list[str] = []
    if "branches" in given:
        branches = compile_branches(build, place, given["branches"], "fork", "branches")
    compete = as_flag(build.findings, given.get("compete", False), place.at("fork", "compete"), "`compete`")
    return ForkNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        branches=branches,
        compete=bool(compete),
    )


CONSTRUCT = Construct("fork", compile_fork)
