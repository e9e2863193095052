"""Errors in definitions: raised by `raise`, matched by `catch` (dsl-reference, Error)."""

from typing import Any

from visapi_engine.checks.shapes import as_integer, as_object, as_text, check_keys, kind
from visapi_engine.compile.build import Build
from visapi_engine.compile.templates import is_wrapped, record, template
from visapi_engine.model.error_types import HOSTS, STANDARD_TYPES, is_standard, path_of
from visapi_engine.model.program import ErrorFilter, Template
from visapi_engine.source.findings import listed, nearest
from visapi_engine.source.pointers import join

_FIELDS = ("type", "status", "instance", "title", "detail")


def read_error(build: Build, value: Any, at: str, names: frozenset[str]) -> Template | None:
    """The error that a `raise` raises: inline, or the name of one in `use.errors`."""
    if isinstance(value, str):
        if value not in build.use.errors:
            hint = nearest(value, build.use.errors)
            known = listed(build.use.errors)
            build.findings.error(at, f'no error called "{value}" in use.errors.{hint} Defined: {known}')
            return None
        value, at = build.use.errors[value], join("/use/errors", value)
    given = as_object(build.findings, value, at, "an error")
    if given is None:
        return None
    check_keys(build.findings, given, at, _FIELDS, required=("type", "status"))
    if "status" in given:
        as_integer(build.findings, given["status"], join(at, "status"), "`status`", least=100, most=599)
    for field in ("type", "instance", "title", "detail"):
        if field in given:
            as_text(build.findings, given[field], join(at, field), f"`{field}`")
    if isinstance(given.get("type"), str):
        check_type(build, given["type"], join(at, "type"))
    return record({key: template(build, given[key], join(at, key), names) for key in _FIELDS if key in given})


def read_filter(build: Build, value: Any, at: str) -> ErrorFilter | None:
    """`catch.errors`: the filter that an error must match to be caught."""
    given = as_object(build.findings, value, at, "`errors`")
    if given is None:
        return None
    check_keys(build.findings, given, at, ("with",))
    if "with" not in given:
        return None
    at = join(at, "with")
    wanted = as_object(build.findings, given["with"], at, "`with`")
    if wanted is None:
        return None
    if not wanted:
        build.findings.error(at, f"an error filter needs one of {listed(_FIELDS)}")
    check_keys(build.findings, wanted, at, _FIELDS)
    texts = {
        key: _constant(build, wanted[key], join(at, key))
        for key in wanted
        if key in _FIELDS and key != "status"
    }
    status = None
    if "status" in wanted:
        status = as_integer(
            build.findings, wanted["status"], join(at, "status"), "`status`", least=100, most=599
        )
    wanted_type = texts.get("type")
    if wanted_type is not None:
        check_type(build, wanted_type, join(at, "type"), caught=True)
    return ErrorFilter(
        type=texts.get("type"),
        status=status,
        title=texts.get("title"),
        detail=texts.get("detail"),
        instance=texts.get("instance"),
    )


def _constant(build: Build, value: Any, at: str) -> str | None:
    if is_wrapped(value):
        build.findings.error(at, f"an error filter holds constants, found {kind(value)}; use `catch.when`")
        return None
    return as_text(build.findings, value, at, "an error filter's property")


def check_type(build: Build, type_: str, at: str, *, caught: bool = False) -> None:
    """Warn of a misspelt standard type. A misspelt `caught` type would never match; there, an unknown type on
    the specification's host is suspect, and so is a bare word.
    """
    path = path_of(type_)
    if is_standard(type_) or (path is None and "/" in type_):
        return
    if not caught and (path is None or not path.startswith("spec/")):
        return
    last = type_.rstrip("/").rpartition("/")[2]
    meant = f'{HOSTS[0]}spec/1.0.0/errors/{last}" stands for it' if last in STANDARD_TYPES else ""
    hint = f' Types match exactly: "{meant}.' if meant else nearest(last, STANDARD_TYPES)
    build.findings.warn(
        at,
        f'the specification has no error type "{type_}".{hint} Under {HOSTS[0]}spec/1.0.0/errors/ it has '
        f"{listed(STANDARD_TYPES)}",
    )
