"""`call: http` (dsl-reference, HTTP Call): its `with`, checked and compiled as arguments of `http.request`.

The endpoint becomes one text, or a text and a policy; output and redirect keep their defaults for the
worker.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from visapi_engine.checks.shapes import as_choice, as_flag, as_object, as_text, check_keys, kind
from visapi_engine.compile.authentication import read_authentication
from visapi_engine.compile.build import Build
from visapi_engine.compile.templates import expression, is_unclosed, is_wrapped, record, template
from visapi_engine.compile.uri_templates import uri_template
from visapi_engine.model.program import Literal, Template
from visapi_engine.source.pointers import join

_KEYS = ("method", "endpoint", "headers", "body", "query", "output", "redirect")
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
_OUTPUTS = ("content", "response", "raw")
_SCALARS = (str, int, float, bool)


class HttpCall(NamedTuple):
    """Compiled arguments, and the scheme of the authentication among them (for `$authorization`)."""

    arguments: Template
    scheme: str | None


def compile_http(build: Build, value: Any, at: str, names: frozenset[str]) -> HttpCall:
    """The arguments of an HTTP call."""
    given = as_object(build.findings, value, at, "`with` of an HTTP call")
    if given is None:
        return HttpCall(Literal(None), None)
    check_keys(build.findings, given, at, _KEYS, required=("method", "endpoint"))
    fields: dict[str, Template] = {}
    scheme = None
    if "method" in given:
        fields["method"] = _method(build, given["method"], join(at, "method"), names)
    if "endpoint" in given:
        fields["endpoint"], scheme = endpoint(build, given["endpoint"], join(at, "endpoint"), names)
    for key, check in (("headers", _check_header), ("query", _check_parameter)):
        if key in given:
            _check_mapping(build, given[key], join(at, key), key, check)
            fields[key] = template(build, given[key], join(at, key), names)
    if "body" in given:
        fields["body"] = template(build, given["body"], join(at, "body"), names)
    fields |= read_answer_options(build, given, at)
    return HttpCall(record(fields), scheme)


def read_answer_options(build: Build, given: dict[str, Any], at: str) -> dict[str, Template]:
    """`output` and `redirect`: the treatment of the response."""
    fields: dict[str, Template] = {}
    if "output" in given:
        as_choice(build.findings, given["output"], join(at, "output"), "`output`", _OUTPUTS)
        fields["output"] = Literal(given["output"])
    if "redirect" in given:
        as_flag(build.findings, given["redirect"], join(at, "redirect"), "`redirect`")
        fields["redirect"] = Literal(given["redirect"])
    return fields


def _method(build: Build, value: Any, at: str, names: frozenset[str]) -> Template:
    if is_wrapped(value):
        return template(build, value, at, names)
    text = as_text(build.findings, value, at, "`method`")
    if text is not None:
        as_choice(build.findings, text.lower(), at, "`method`", _METHODS)
    return Literal(text.lower() if text is not None else None)


def endpoint(build: Build, value: Any, at: str, names: frozenset[str]) -> HttpCall:
    """An endpoint (dsl-reference, Endpoint): a URI, or one with a policy."""
    if not isinstance(value, dict):
        return HttpCall(_uri(build, value, at, names), None)
    given = as_object(build.findings, value, at, "`endpoint`") or {}
    check_keys(build.findings, given, at, ("uri", "authentication"), required=("uri",))
    uri = _uri(build, given["uri"], join(at, "uri"), names) if "uri" in given else Literal(None)
    if "authentication" not in given:
        return HttpCall(uri, None)
    where = join(at, "authentication")
    policy = read_authentication(build, given["authentication"], where, names)
    return HttpCall(record({"uri": uri, "authentication": policy.argument}), policy.scheme)


def _uri(build: Build, value: Any, at: str, names: frozenset[str]) -> Template:
    text = as_text(build.findings, value, at, "the endpoint's URI")
    if text is None:
        return Literal(None)
    if is_wrapped(text) or is_unclosed(text):
        return expression(build, text, at, names, "the endpoint") or Literal(None)
    return uri_template(build, text, at, names)


Check = Callable[[Build, Any, str], None]


def _check_mapping(build: Build, value: Any, at: str, what: str, check: Check) -> None:
    if is_wrapped(value):
        return
    given = as_object(build.findings, value, at, f"`{what}`")
    for key, inner in (given or {}).items():
        check(build, inner, join(at, key))


def _check_header(build: Build, value: Any, at: str) -> None:
    """A text; null leaves the header out."""
    if value is not None and not isinstance(value, str):
        build.findings.error(at, f"a value of `headers` must be text, found {kind(value)}")


def _check_parameter(build: Build, value: Any, at: str) -> None:
    """A scalar, or a list of scalars, which repeats the parameter; null leaves it out."""
    if isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            if not isinstance(item, _SCALARS):
                build.findings.error(
                    join(at, str(index)),
                    f"an item of a list in `query` must be a text, a number or a boolean, found {kind(item)}",
                )
    elif value is not None and not isinstance(value, _SCALARS):
        build.findings.error(
            at,
            f"a value of `query` must be a text, a number, a boolean or a list of them, found {kind(value)}",
        )
