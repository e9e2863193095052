"""`emit`: publish an event (dsl-reference, Emit and Event Properties)."""

from typing import Any

from visapi_common.core.cloudevents import attribute_flaw, reserved_source_flaw
from visapi_engine.checks.shapes import as_object, check_keys
from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.event_filters import check_attributes
from visapi_engine.compile.templates import TASK, template
from visapi_engine.model.program import Common, EmitNode, Literal, Template
from visapi_engine.source.pointers import join


def compile_emit(build: Build, place: Place, body: dict[str, Any], common: Common) -> EmitNode:
    return EmitNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        event=_event(build, place, body["emit"]),
    )


def _event(build: Build, place: Place, value: Any) -> Template:
    given = as_object(build.findings, value, place.at("emit"), "`emit`")
    if given is None:
        return Literal(None)
    check_keys(build.findings, given, place.at("emit"), ("event",), required=("event",))
    if "event" not in given:
        return Literal(None)
    at = place.at("emit", "event")
    event = as_object(build.findings, given["event"], at, "`event`")
    if event is None:
        return Literal(None)
    check_keys(build.findings, event, at, ("with",), required=("with",))
    if "with" not in event:
        return Literal(None)
    attributes = as_object(build.findings, event["with"], f"{at}/with", "`with`")
    if attributes is None:
        return Literal(None)
    check_attributes(build, attributes, f"{at}/with", required=("type",))
    _check_constants(build, attributes, f"{at}/with")
    return template(build, attributes, f"{at}/with", TASK | place.variables)


def _check_constants(build: Build, attributes: dict[str, Any], at: str) -> None:
    """Check the constant attributes of the event; the others are checked when it is emitted."""
    for name, value in attributes.items():
        if name == "data" or not isinstance(value, str) or not value or "${" in value:
            continue
        flaw = attribute_flaw(name, value)
        if flaw is None and name == "source":
            flaw = reserved_source_flaw(value)
        if flaw is not None:
            build.findings.error(join(at, name), f"`{name}` {flaw}")


CONSTRUCT = Construct("emit", compile_emit)
