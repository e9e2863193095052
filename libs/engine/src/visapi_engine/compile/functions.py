"""Functions: their names in a `call`, and the arguments of the built-in functions."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from visapi_common.contracts.subjects import RESERVED_FAMILIES, family_of
from visapi_engine.checks.shapes import check_keys, kind
from visapi_engine.checks.versions import is_version
from visapi_engine.compile.templates import is_wrapped
from visapi_engine.model.catalog import ENGINE_FUNCTIONS
from visapi_engine.source.findings import Findings, listed, nearest
from visapi_engine.source.pointers import join

BUILTIN_VERSION = "1.0.0"
HTTP_FUNCTION = "http.request"
"""The function of `call: http`."""
OPENAPI_FUNCTION = "openapi.request"
"""The function of `call: openapi`."""

REFUSED_CALLS = {
    "grpc": "gRPC calls",
    "asyncapi": "AsyncAPI calls",
    "a2a": "A2A calls",
    "mcp": "MCP calls",
}

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*(?:\.[a-zA-Z][a-zA-Z0-9_-]*)*")
_REFERENCE = re.compile(r"(?P<name>[^:@]+)(?::(?P<version>[^@]+))?(?:@(?P<catalog>.+))?")
_NAME_MAX = 128


class FunctionName(msgspec.Struct, frozen=True):
    """A function of the default catalog; without a `version`, any version is meant."""

    name: str
    version: str | None


class Arguments(msgspec.Struct, frozen=True):
    """The arguments of a built-in function: exactly one of each group in `one_of`, some of `some_of`."""

    allowed: tuple[str, ...]
    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    some_of: tuple[tuple[str, ...], ...] = ()


BUILTINS: Mapping[str, Arguments] = {
    "pdf.render": Arguments(
        ("html", "url", "template", "data", "locale", "options"), one_of=(("html", "url", "template"),)
    ),
    "notify.email": Arguments(
        (
            "to",
            "cc",
            "subject",
            "text",
            "html",
            "template",
            "data",
            "locale",
            "attachments",
            "account",
            "from",
        ),
        required=("to",),
        some_of=(("text", "html", "template"), ("subject", "template")),
    ),
    "notify.webhook": Arguments(("url", "payload", "headers", "secret"), required=("url",)),
    "notify.slack": Arguments(
        ("channel", "webhook", "text", "blocks", "account"),
        one_of=(("channel", "webhook"),),
        some_of=(("text", "blocks"),),
    ),
}
"""Functions of the built-in workers whose arguments are checked at deployment. The arguments of others are
checked when they are called.
"""
WORKER_FUNCTIONS = (*BUILTINS, HTTP_FUNCTION, OPENAPI_FUNCTION)
CATALOG = (*WORKER_FUNCTIONS, *ENGINE_FUNCTIONS)
"""The functions that are known before any worker announces them; others are known from announcements."""


def read_reference(
    findings: Findings, text: str, at: str, defined: Mapping[str, Any], *, known: Collection[str] = ()
) -> FunctionName | None:
    """`acme.score`, `acme.score:1.2.0` or `acme.score:1.2.0@default`; `known` are functions of workers."""
    if "://" in text:
        findings.refuse(at, "functions from a URL; serve the function with a worker and call it by name")
        return None
    match = _REFERENCE.fullmatch(text)
    name = match["name"] if match else text
    if match is None or not _NAME.fullmatch(name) or len(name) > _NAME_MAX:
        findings.error(
            at, f'"{text}" is no function name; write one like acme.score or acme.score:1.0.0@default'
        )
        return None
    version, catalog = match["version"], match["catalog"]
    if catalog not in (None, "default"):
        findings.refuse(at, f'the catalog "{catalog}"; functions come from the catalog "default"')
        return None
    if version is not None and not is_version(version):
        findings.error(at, f'"{version}" is not a semantic version such as 1.0.0')
        return None
    if "." not in name and catalog is None:
        _report_bare(findings, name, at, defined)
        return None
    if name in CATALOG and version not in (None, BUILTIN_VERSION):
        findings.error(at, f"{name} exists in version {BUILTIN_VERSION}, found {version}")
    if name not in CATALOG and name not in known:
        hint = nearest(name, [*CATALOG, *known])
        whose = "VisAPI" if family_of(name) in RESERVED_FAMILIES else "yours"
        findings.warn(
            at, f'"{name}" is not built in; the call waits until a worker of {whose} serves it.{hint}'
        )
    return FunctionName(name, version)


def _report_bare(findings: Findings, name: str, at: str, defined: Mapping[str, Any]) -> None:
    hint = nearest(name, [*defined, *CATALOG, "http"])
    findings.error(
        at,
        f'no function called "{name}" in use.functions.{hint} Defined: {listed(defined)}; '
        "functions of workers have a dot in their name",
    )


def check_arguments(findings: Findings, function: str, given: Mapping[str, Any], at: str) -> None:
    """Report unknown and missing arguments of a built-in function."""
    expected = BUILTINS.get(function)
    if expected is None:
        return
    check_keys(findings, given, at, expected.allowed, required=expected.required)
    for group in expected.one_of:
        present = [name for name in group if name in given]
        if len(present) != 1:
            findings.error(at, f"{function} takes exactly one of {listed(group)}, found {listed(present)}")
    for group in expected.some_of:
        if not any(name in given for name in group):
            findings.error(at, f"{function} needs one of {listed(group)}")
    for name in expected.allowed:
        if name in given:
            _check_kind(findings, function, name, given[name], join(at, name))


_TEXT, _LIST, _OBJECT = "a text", "a list", "an object"
_KINDS: Mapping[str, tuple[str, ...]] = {
    "html": (_TEXT,),
    "url": (_TEXT,),
    "template": (_TEXT, _OBJECT),
    "options": (_OBJECT,),
    "to": (_TEXT, _LIST),
    "cc": (_TEXT, _LIST),
    "subject": (_TEXT,),
    "text": (_TEXT,),
    "attachments": (_LIST,),
    "headers": (_OBJECT,),
    "secret": (_TEXT, _LIST),
    "channel": (_TEXT,),
    "account": (_TEXT,),
    "from": (_TEXT,),
    "webhook": (_TEXT,),
    "blocks": (_LIST,),
}
"""Kinds of the arguments of built-in functions; other arguments may have any kind."""

_TYPES: Mapping[str, type] = {_TEXT: str, _LIST: list, _OBJECT: dict}


def _check_kind(findings: Findings, function: str, name: str, value: Any, at: str) -> None:
    kinds = _KINDS.get(name)
    if kinds is None or is_wrapped(value) or isinstance(value, tuple(_TYPES[wanted] for wanted in kinds)):
        return
    findings.error(at, f"`{name}` of {function} must be {' or '.join(kinds)}, found {kind(value)}")
