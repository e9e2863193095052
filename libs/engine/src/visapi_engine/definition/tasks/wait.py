"""`wait`: let time pass (dsl-reference, Wait)."""

from typing import Any

from visapi_engine.definition.build import Build, Construct, Place
from visapi_engine.definition.data_flow import read_duration
from visapi_engine.definition.program import Common, Duration, WaitNode
from visapi_engine.definition.templates import TASK


def compile_wait(build: Build, place: Place, body: dict[str, Any], common: Common) -> WaitNode:
    duration = read_duration(build, body["wait"], place.at("wait"), TASK | place.variables, "`wait`")
    return WaitNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        duration=duration or Duration(ms=0),
    )


CONSTRUCT = Construct("wait", compile_wait)
