"""`do`: tasks in sequence (dsl-reference, Do)."""

from typing import Any

from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.tasks.lists import compile_list
from visapi_engine.model.program import Common, DoNode


def compile_do(build: Build, place: Place, body: dict[str, Any], common: Common) -> DoNode:
    children = compile_list(build, place, body["do"], "do")
    return DoNode(
        pointer=place.pointer, name=place.name, parent=place.parent, common=common, children=children
    )


CONSTRUCT = Construct("do", compile_do)
