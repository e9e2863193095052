"""Values that may contain expressions, and the places where an expression is expected.

In strict mode a string is an expression when it is `${ ... }` as a whole; where the specification
expects an expression (`if`, `when`, `input.from`, ...) the wrapping may be left out. In loose mode
every string is evaluated, and stays text if the evaluation fails.
"""

import re
from typing import Any, cast

from visapi_engine.checks.shapes import kind
from visapi_engine.compile.build import NODES_MAX, TOKENS_MAX, Build
from visapi_engine.compile.secrets import note_secrets
from visapi_engine.expressions.gate import REFUSED_VARIABLES, Refused, inspect
from visapi_engine.expressions.libjq import compile_errors
from visapi_engine.model.program import Jq, Literal, Record, Sequence, Template
from visapi_engine.source.findings import listed, nearest
from visapi_engine.source.pointers import join

WORKFLOW_INPUT = frozenset({"workflow", "runtime"})
WORKFLOW_OUTPUT = frozenset({"context", "workflow", "runtime"})
TASK_BEFORE = frozenset({"context", "task", "workflow", "runtime"})
"""`if` and `input.from` of a task."""
TASK = TASK_BEFORE | {"input"}
"""A task's definition and its `output.as`."""
TASK_EXPORT = TASK | {"output"}
SECRETS = frozenset({"secrets"})
"""Where expressions may use secrets: `input.from`, and the values that a task passes on."""
CALL = TASK | SECRETS
STANDARD = TASK_EXPORT | SECRETS | {"authorization"} | REFUSED_VARIABLES.keys()
"""Names that no construct may bind (dsl.md, Runtime expression arguments)."""

_WRAPPED = re.compile(r"\s*\$\{(.*)\}\s*", re.DOTALL)
_EMBEDDED = re.compile(r"\$\{\s*[.$]")
_BRACES = re.compile(r'[{}]|"(?:[^"\\]|\\.)*"?', re.DOTALL)
UNCLOSED = (
    "the expression has no end: its `}` is missing. YAML ends an unquoted text at ` #` and at a line break "
    "that is not indented; write the expression in single quotes: '${ … }'"
)
TOO_LARGE = f"the definition is too large: more than {NODES_MAX} tasks, or {TOKENS_MAX} tokens in expressions"

_UNKNOWN = re.compile(r"\$(\w+) is not defined")
_BARE = re.compile(r"\s*(?:\.[a-zA-Z_\[]|\$[a-zA-Z_])")


def is_wrapped(value: Any) -> bool:
    """Whether a value is written as `${ ... }`."""
    return isinstance(value, str) and _WRAPPED.fullmatch(value) is not None


def is_unclosed(value: Any) -> bool:
    """Whether a text begins with, or contains, an expression without its closing `}`."""
    if not isinstance(value, str) or "${" not in value or is_wrapped(value):
        return False
    text = value.lstrip()
    begun = [0] if text.startswith("${") else []
    begun += [found.start() for found in _EMBEDDED.finditer(text)][-1:]
    return any(not _ends(text, at + 1) for at in begun)


def _ends(text: str, at: int) -> bool:
    """Whether the brace at `at` has a partner; braces in jq's strings do not count."""
    depth = 0
    for part in _BRACES.finditer(text, at):
        depth += {"{": 1, "}": -1}.get(part.group(), 0)
        if depth == 0:
            return True
    return False


def template(build: Build, value: Any, at: str, names: frozenset[str]) -> Template:
    """A value with expressions in it as a template; constant parts stay constants."""
    if isinstance(value, str):
        return _text(build, value, at, names)
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        return record({key: template(build, inner, join(at, key), names) for key, inner in fields.items()})
    if isinstance(value, list):
        items = [
            template(build, inner, join(at, index), names)
            for index, inner in enumerate(cast(list[Any], value))
        ]
        constants = [item.value for item in items if isinstance(item, Literal)]
        return Literal(constants) if len(constants) == len(items) else Sequence(items)
    return Literal(value)


def record(fields: dict[str, Template]) -> Template:
    """An object of templates, folded when all are constant."""
    constants = {key: field.value for key, field in fields.items() if isinstance(field, Literal)}
    return Literal(constants) if len(constants) == len(fields) else Record(fields)


def expression(build: Build, value: Any, at: str, names: frozenset[str], what: str) -> Template | None:
    """A place that the specification reserves for an expression; `${ }` is optional there."""
    if not isinstance(value, str):
        build.findings.error(at, f"{what} must be a runtime expression in a text, found {kind(value)}")
        return None
    if is_unclosed(value):
        build.findings.error(at, UNCLOSED)
        return None
    wrapped = _WRAPPED.fullmatch(value)
    return _checked(build, wrapped.group(1) if wrapped else value, at, names)


def expression_or_object(
    build: Build, value: Any, at: str, names: frozenset[str], what: str
) -> Template | None:
    """`input.from`, `output.as`, `export.as` and `set`: an expression, or an object of templates."""
    if isinstance(value, dict):
        return template(build, cast(dict[str, Any], value), at, names)
    if isinstance(value, str):
        return expression(build, value, at, names, what)
    build.findings.error(at, f"{what} must be a runtime expression or an object, found {kind(value)}")
    return None


def generated(build: Build, source: str, at: str, names: frozenset[str]) -> Template:
    """An expression that the compiler wrote itself, checked like every other."""
    return _checked(build, source, at, names)


def check_with_libjq(build: Build) -> None:
    """Let libjq compile every expression of the definition; unknown names are reported here."""
    if build.full:
        build.findings.error("", TOO_LARGE)
        return
    distinct = {
        (item.inspected.text, item.names & item.inspected.variables): item for item in build.expressions
    }
    errors = dict(zip(distinct, compile_errors(list(distinct)), strict=True))
    for item in build.expressions:
        error = errors[item.inspected.text, item.names & item.inspected.variables]
        if error is None:
            continue
        unknown = _UNKNOWN.findall(error)
        for name in unknown:
            build.findings.error(item.at, _unknown(name, item.names))
        if not unknown:
            build.findings.error(item.at, f"the expression does not compile: {error}")


def _text(build: Build, value: str, at: str, names: frozenset[str]) -> Template:
    wrapped = _WRAPPED.fullmatch(value)
    if wrapped:
        checked = _checked(build, wrapped.group(1), at, names)
        return Jq(checked.source, otherwise=value) if build.loose and isinstance(checked, Jq) else checked
    if is_unclosed(value):
        build.findings.error(at, UNCLOSED)
        return Literal(None)
    if build.loose:
        return _loose(build, value, names)
    if _EMBEDDED.search(value):
        build.findings.warn(
            at,
            "this stays text: an expression must be the whole value; "
            'to insert into text, write ${ "Hello \\(.name)" }',
        )
    elif _BARE.match(value):
        build.findings.warn(at, f"this stays text; to evaluate it, write ${{ {value.strip()} }}")
    return Literal(value)


def _loose(build: Build, value: str, names: frozenset[str]) -> Template:
    """Loose mode: a string that is no expression is text, and so is one whose evaluation fails."""
    try:
        inspected = inspect(value)
    except Refused:
        return Literal(value)
    build.count(inspected)
    if build.full:
        return Literal(value)
    if "secrets" in inspected.variables and "secrets" in names:
        note_secrets(build, inspected.tokens, "")
    (error,) = compile_errors([(inspected.text, inspected.variables & names)])
    return Literal(value) if error is not None else Jq(value, otherwise=value)


def _checked(build: Build, source: str, at: str, names: frozenset[str]) -> Template:
    source = source.strip()
    try:
        inspected = inspect(source)
    except Refused as refused:
        for reason in refused.reasons:
            build.findings.error(at, reason)
        return Literal(None)
    build.expect(at, inspected, names)
    if "secrets" in inspected.variables and "secrets" in names:
        note_secrets(build, inspected.tokens, at)
    return Jq(source)


def _unknown(name: str, names: frozenset[str]) -> str:
    if name in STANDARD:
        return f"`${name}` is not available here; available: {_shown(names)}"
    return f"unknown variable `${name}`.{nearest(name, names)} Available here: {_shown(names)}"


def _shown(names: frozenset[str]) -> str:
    return listed(f"${name}" for name in sorted(names))
