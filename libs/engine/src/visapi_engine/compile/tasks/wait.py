"""`wait`: let time pass (dsl-reference, Wait)."""

from typing import Any

from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.data_flow import read_duration
from visapi_engine.compile.templates import TASK
from visapi_engine.model.program import Common, Duration, WaitNode


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
