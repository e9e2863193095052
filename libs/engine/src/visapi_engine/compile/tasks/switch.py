"""`switch`: one of several ways, by condition (dsl-reference, Switch)."""

from typing import Any, cast

from visapi_engine.checks.shapes import as_list, as_object, check_keys, kind
from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.flow import read_flow
from visapi_engine.compile.templates import TASK, expression
from visapi_engine.model.program import Case, Common, Flow, SwitchNode


def compile_switch(build: Build, place: Place, body: dict[str, Any], common: Common) -> SwitchNode:
    items = as_list(build.findings, body["switch"], place.at("switch"), "`switch`") or []
    if not items and isinstance(body["switch"], list):
        build.findings.error(place.at("switch"), "`switch` needs at least one case")
    cases: list[Case] = []
    for index, item in enumerate(items):
        case = _case(build, place, index, item)
        if case is None:
            continue
        if case.when is None and any(earlier.when is None for earlier in cases):
            build.findings.error(place.at("switch", index, case.name), "only one case may go without `when`")
        if any(earlier.name == case.name for earlier in cases):
            build.findings.error(place.at("switch", index, case.name), f'two cases are called "{case.name}"')
        cases.append(case)
    return SwitchNode(pointer=place.pointer, name=place.name, parent=place.parent, common=common, cases=cases)


def _case(build: Build, place: Place, index: int, item: Any) -> Case | None:
    if not isinstance(item, dict) or len(cast(dict[str, Any], item)) != 1:
        found = kind(item) if not isinstance(item, dict) else f"{len(cast(dict[str, Any], item))} names"
        build.findings.error(
            place.at("switch", index), f"an item must be an object with one name and its case, found {found}"
        )
        return None
    ((name, value),) = cast(dict[str, Any], item).items()
    at = place.at("switch", index, name)
    given = as_object(build.findings, value, at, "a case")
    if given is None:
        return None
    check_keys(build.findings, given, at, ("when", "then"), required=("then",))
    then = read_flow(build.findings, place, given["then"], f"{at}/then") if "then" in given else Flow()
    when = None
    if "when" in given:
        when = expression(build, given["when"], f"{at}/when", TASK | place.variables, "`when`")
    return Case(name=name, then=then, when=when)


CONSTRUCT = Construct("switch", compile_switch)
