"""`call: openapi` (dsl-reference, OpenAPI Call): its `with`, compiled as arguments of `openapi.request`."""

from typing import Any

from visapi_engine.checks.shapes import as_object, as_text, check_keys
from visapi_engine.compile.authentication import read_authentication
from visapi_engine.compile.build import Build
from visapi_engine.compile.http_call import HttpCall, endpoint, read_answer_options
from visapi_engine.compile.templates import is_wrapped, record, template
from visapi_engine.model.program import Literal, Template
from visapi_engine.source.pointers import join

_KEYS = ("document", "operationId", "parameters", "authentication", "output", "redirect")


def compile_openapi(build: Build, value: Any, at: str, names: frozenset[str]) -> HttpCall:
    """The arguments of an OpenAPI call."""
    given = as_object(build.findings, value, at, "`with` of an OpenAPI call")
    if given is None:
        return HttpCall(Literal(None), None)
    check_keys(build.findings, given, at, _KEYS, required=("document", "operationId"))
    fields: dict[str, Template] = {}
    scheme = None
    if "document" in given:
        fields["document"] = _document(build, given["document"], join(at, "document"), names)
    if "operationId" in given:
        if not is_wrapped(given["operationId"]):
            as_text(build.findings, given["operationId"], join(at, "operationId"), "`operationId`")
        fields["operation_id"] = template(build, given["operationId"], join(at, "operationId"), names)
    if "parameters" in given:
        if not is_wrapped(given["parameters"]):
            as_object(build.findings, given["parameters"], join(at, "parameters"), "`parameters`")
        fields["parameters"] = template(build, given["parameters"], join(at, "parameters"), names)
    if "authentication" in given:
        policy = read_authentication(build, given["authentication"], join(at, "authentication"), names)
        fields["authentication"], scheme = policy.argument, policy.scheme
    fields |= read_answer_options(build, given, at)
    return HttpCall(record(fields), scheme)


def _document(build: Build, value: Any, at: str, names: frozenset[str]) -> Template:
    """An external resource (dsl-reference, External Resource); only its endpoint is used."""
    given = as_object(build.findings, value, at, "`document`")
    if given is None:
        return Literal(None)
    check_keys(build.findings, given, at, ("name", "endpoint"), required=("endpoint",))
    if "endpoint" not in given:
        return Literal(None)
    return endpoint(build, given["endpoint"], join(at, "endpoint"), names).arguments
