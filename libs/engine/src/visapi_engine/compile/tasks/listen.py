"""`listen`: wait for events (dsl-reference, Listen and Subscription Iterator)."""

from typing import Any

from visapi_engine.checks.shapes import as_choice, as_object, check_keys
from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.data_flow import read_transform
from visapi_engine.compile.event_filters import read_consumption
from visapi_engine.compile.tasks.lists import compile_list
from visapi_engine.compile.tasks.variables import read_variable
from visapi_engine.compile.templates import TASK, TASK_EXPORT
from visapi_engine.model.program import Common, Consumption, Iterator, ListenNode

READ = ("data", "envelope", "raw")


def compile_listen(build: Build, place: Place, body: dict[str, Any], common: Common) -> ListenNode:
    given = as_object(build.findings, body["listen"], place.at("listen"), "`listen`") or {}
    if isinstance(body["listen"], dict):
        check_keys(build.findings, given, place.at("listen"), ("to", "read"), required=("to",))
    to = Consumption(mode="one", filters=[])
    if "to" in given:
        to = read_consumption(build, given["to"], place.at("listen", "to"), TASK | place.variables)
    read = "data"
    if "read" in given:
        read = as_choice(build.findings, given["read"], place.at("listen", "read"), "`read`", READ) or read
    return ListenNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        to=to,
        read=read,
        foreach=_iterator(build, place, body["foreach"]) if "foreach" in body else None,
    )


def _iterator(build: Build, place: Place, value: Any) -> Iterator | None:
    at = place.at("foreach")
    given = as_object(build.findings, value, at, "`foreach`")
    if given is None:
        return None
    check_keys(build.findings, given, at, ("item", "at", "do", "output", "export"))
    item = read_variable(build, given, "item", at, "item")
    index = read_variable(build, given, "at", at, "index")
    if item == index:
        build.findings.error(at, f'`item` and `at` are both called "{item}"; name them apart')
    bound = place.variables | {item, index}
    children: list[str] = []
    if "do" in given:
        children = compile_list(build, place, given["do"], "foreach", "do", bound=frozenset({item, index}))
    output_schema, output_as = read_transform(build, given, ("output", "as"), at, TASK | bound)
    export_schema, export_as = read_transform(build, given, ("export", "as"), at, TASK_EXPORT | bound)
    return Iterator(
        item=item,
        at=index,
        children=children,
        output_as=output_as,
        output_schema=output_schema,
        export_as=export_as,
        export_schema=export_schema,
    )


CONSTRUCT = Construct("listen", compile_listen, extra=("foreach",))
