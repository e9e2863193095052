"""URI templates (dsl-reference, URI Template): `{name}` becomes a property of the task's input.

Only RFC 6570's simple expansion of top-level properties exists. A template is compiled to a jq
expression on the task's input (`.`), which percent-encodes values; an absent one is empty, and one
that is an object or an array is an expression error, as the specification asks.
"""

import json
import re

from visapi_engine.compile.build import Build
from visapi_engine.compile.templates import generated
from visapi_engine.model.program import Literal, Template

_VARIABLE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-zA-Z0-9_]+(?:[.-][a-zA-Z0-9_]+)*")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")


def uri_template(build: Build, text: str, at: str, names: frozenset[str]) -> Template:
    """A literal URI, or the expression that fills in its variables."""
    uri = text.strip()
    _check_uri(build, uri, at)
    if "{" not in uri and "}" not in uri:
        return Literal(uri)
    pieces: list[str] = []
    end = 0
    for match in _VARIABLE.finditer(uri):
        pieces += [_literal(build, uri[end : match.start()], at), _variable(build, match.group(1), at)]
        end = match.end()
    pieces.append(_literal(build, uri[end:], at))
    return generated(build, '@uri "' + "".join(pieces) + '"', at, names)


def _check_uri(build: Build, uri: str, at: str) -> None:
    if any(character.isspace() for character in uri):
        build.findings.error(at, "a URI must not contain spaces; write %20")
    if uri.startswith("{"):
        return
    scheme = _SCHEME.match(uri)
    if scheme is None:
        build.findings.error(
            at, f'the endpoint must be an absolute URI such as https://example.com/, found "{uri}"'
        )
    elif scheme.group(1).lower() not in ("http", "https"):
        build.findings.error(
            at, f'the endpoint\'s scheme must be "http" or "https", found "{scheme.group(1)}"'
        )


def _literal(build: Build, piece: str, at: str) -> str:
    if "{" in piece or "}" in piece:
        build.findings.error(at, "a brace in the URI template has no partner")
    return json.dumps(piece, ensure_ascii=False)[1:-1]


def _variable(build: Build, name: str, at: str) -> str:
    if not _NAME.fullmatch(name):
        build.findings.error(
            at,
            f'"{{{name}}}" is not supported: a URI template knows only the form {{name}} (RFC 6570, 3.2.2)',
        )
        return ""
    problem = json.dumps(f"the URI template's {name} must be text, a number, a boolean or null")
    return (
        f'\\(.["{name}"] | if . == null then "" '
        f'elif type == "object" or type == "array" then error({problem}) else . end)'
    )
