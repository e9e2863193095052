"""The properties of all tasks: condition, data flow, timeout, flow, metadata (dsl-reference, Task)."""

from typing import Any, cast

from visapi_engine.checks.durations import constant_ms
from visapi_engine.checks.schemas import SchemaInvalid, build_validator
from visapi_engine.checks.shapes import as_object, check_keys, kind
from visapi_engine.compile.build import Build, Place
from visapi_engine.compile.flow import read_flow
from visapi_engine.compile.metadata import read_metadata
from visapi_engine.compile.templates import (
    SECRETS,
    TASK,
    TASK_BEFORE,
    TASK_EXPORT,
    expression,
    expression_or_object,
    is_unclosed,
    is_wrapped,
)
from visapi_engine.model.program import Common, Duration, Flow, Template, Validated
from visapi_engine.source.findings import listed, nearest
from visapi_engine.source.pointers import join

TASK_KEYS = ("if", "input", "output", "export", "timeout", "then", "metadata")
_ANSWER = frozenset({"authorization"})
_EXTERNAL = "schemas from a URL; write the schema under `document`"


def read_common(build: Build, place: Place, body: dict[str, Any]) -> Common:
    """The shared part of a task's body."""
    bound = place.variables
    input_schema, input_from = read_transform(
        build, body, ("input", "from"), place.source, TASK_BEFORE | SECRETS | bound
    )
    output_schema, output_as = read_transform(
        build, body, ("output", "as"), place.source, TASK | _ANSWER | bound
    )
    export_schema, export_as = read_transform(
        build, body, ("export", "as"), place.source, TASK_EXPORT | _ANSWER | bound
    )
    when: Template | None = None
    if "if" in body:
        when = expression(build, body["if"], place.at("if"), TASK_BEFORE | bound, "`if`")
    return Common(
        when=when,
        input_schema=input_schema,
        input_from=input_from,
        output_as=output_as,
        output_schema=output_schema,
        export_as=export_as,
        export_schema=export_schema,
        timeout=read_timeout(build, body, place.source, TASK | bound),
        then=read_flow(build.findings, place, body["then"], place.at("then")) if "then" in body else Flow(),
        metadata=read_metadata(build, place, body),
    )


def read_transform(
    build: Build, body: dict[str, Any], what: tuple[str, str], at: str, names: frozenset[str]
) -> tuple[Validated | None, Template | None]:
    """`input`, `output` or `export` (`what`: the section, and its transformation's name)."""
    section, transform = what
    if section not in body:
        return None, None
    at = join(at, section)
    given = as_object(build.findings, body[section], at, f"`{section}`")
    if given is None:
        return None, None
    check_keys(build.findings, given, at, ("schema", transform))
    schema = _schema(build, given["schema"], join(at, "schema")) if "schema" in given else None
    if transform not in given:
        return schema, None
    title = f"`{section}.{transform}`"
    return schema, expression_or_object(build, given[transform], join(at, transform), names, title)


def _schema(build: Build, value: Any, at: str) -> Validated | None:
    given = as_object(build.findings, value, at, "`schema`")
    if given is None:
        return None
    check_keys(build.findings, given, at, ("format", "document"), refused={"resource": _EXTERNAL})
    form = given.get("format", "json")
    if not isinstance(form, str) or form.split(":")[0] != "json":
        build.findings.error(join(at, "format"), f'the format must be "json", found {kind(form)}')
    if "document" not in given:
        if "resource" not in given:
            build.findings.error(at, 'the property "document" is missing')
        return None
    at = join(at, "document")
    if not isinstance(given["document"], dict | bool):
        build.findings.error(
            at, f"a JSON Schema must be an object or a boolean, found {kind(given['document'])}"
        )
        return None
    document = cast("dict[str, Any] | bool", given["document"])
    try:
        build_validator(document)
    except SchemaInvalid as invalid:
        for path, detail in invalid.mistakes:
            build.findings.error(join(at, *path), f"not a JSON Schema (2020-12): {detail}")
    return Validated(schema=document, pointer=at)


def read_timeout(build: Build, body: dict[str, Any], at: str, names: frozenset[str]) -> Duration | None:
    """`timeout`: inline, or the name of one in `use.timeouts`."""
    if "timeout" not in body:
        return None
    value, at = body["timeout"], join(at, "timeout")
    if isinstance(value, str):
        if value not in build.use.timeouts:
            hint = nearest(value, build.use.timeouts)
            known = listed(build.use.timeouts)
            build.findings.error(at, f'no timeout called "{value}" in use.timeouts.{hint} Defined: {known}')
            return None
        value, at = build.use.timeouts[value], join("/use/timeouts", value)
    given = as_object(build.findings, value, at, "a timeout")
    if given is None:
        return None
    check_keys(build.findings, given, at, ("after",), required=("after",))
    return (
        read_duration(build, given["after"], join(at, "after"), names, "`after`")
        if "after" in given
        else None
    )


def read_duration(build: Build, value: Any, at: str, names: frozenset[str], what: str) -> Duration | None:
    """A constant duration in milliseconds, or an expression that yields an ISO 8601 text."""
    if is_wrapped(value) or is_unclosed(value):
        source = expression(build, value, at, names, what)
        return Duration(expression=source) if source is not None else None
    ms = constant_ms(build.findings, value, at, what)
    return Duration(ms=ms) if ms is not None else None
