"""`openapi.request`: from an OpenAPI document (2.0, 3.0, 3.1) and an operation's id to an HTTP call. Pure.

Parameters go where the operation declares them (OpenAPI 3.1, 4.8.12; defaults of `style` and `explode`).
Undeclared parameters go into a JSON body where the method has one; otherwise they are a mistake. References
within the document are followed.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast
from urllib.parse import quote, urljoin

import msgspec

from visapi_common.core.egress_policy import parse_url
from visapi_common.core.errors import ProblemError
from visapi_common.core.spelling import near_names
from visapi_notifier.channels.http.rules import Endpoint, HttpInput
from visapi_notifier.credentials.rules.policies import Authentication, check_policy

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_WITH_BODY = ("put", "post", "patch", "delete")
_REFERENCES_MAX = 32
OPERATION_ID_MAX = 1000
FORM = "application/x-www-form-urlencoded"


class OpenApiInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `with` of `call: openapi`; `document` is the endpoint of the document."""

    document: str | Endpoint
    operation_id: str
    parameters: dict[str, Any] | None = None
    authentication: Authentication | None = None
    output: Literal["content", "response", "raw"] = "content"
    redirect: bool = False


class OpenApiCall(msgspec.Struct, frozen=True):
    """What is asked of an operation; the parameters are MessagePack, which only the plan reads."""

    asked: OpenApiInput
    parameters: bytes


def openapi_call(asked: OpenApiInput) -> OpenApiCall:
    """Raises `ProblemError` or `EgressRefused` for what no document could make a call of."""
    endpoint = asked.document if isinstance(asked.document, Endpoint) else Endpoint(asked.document)
    parse_url(endpoint.uri)
    check_policy(endpoint.authentication)
    check_policy(asked.authentication)
    if len(asked.operation_id) > OPERATION_ID_MAX:
        raise ProblemError("invalid_input", f"/operation_id: at most {OPERATION_ID_MAX} characters")
    parameters = msgspec.msgpack.encode(asked.parameters)
    return OpenApiCall(msgspec.structs.replace(asked, parameters=None), parameters)


class Operation(msgspec.Struct, frozen=True):
    """An operation as it was found: its path template, and what it and its path declare."""

    method: str
    path: str
    declared: dict[str, Any]
    parameters: list[dict[str, Any]]


class _Call:
    """Where the given parameters go."""

    def __init__(self) -> None:
        self.path: dict[str, str] = {}
        self.query: dict[str, Any] = {}
        self.headers: dict[str, Any] = {}
        self.cookies: list[str] = []
        self.form: dict[str, Any] = {}
        self.body: Any = None


def plan_call(document: Mapping[str, Any], wanted: OpenApiInput, *, url: str) -> HttpInput:
    """The HTTP call of an operation; `url` is where the document came from. Raises `ProblemError`."""
    operation = find_operation(document, wanted.operation_id)
    call = _Call()
    left = dict(wanted.parameters or {})
    missing: list[str] = []
    for parameter in operation.parameters:
        name = str(parameter.get("name"))
        if left.get(name) is None and parameter.get("in") != "body":
            left.pop(name, None)  # null is no value: the parameter is left out
        if name in left:
            _place(call, parameter, left.pop(name))
        elif parameter.get("required"):
            missing.append(name)
    body_type = _body_type(document, operation)
    if left:
        _rest(call, operation, left, body_type)
    if missing:
        detail = f"the operation {wanted.operation_id!r} needs the parameters {', '.join(missing)}"
        raise ProblemError("invalid_input", f"/parameters: {detail}")
    headers = dict(call.headers)
    if call.cookies:
        headers["cookie"] = "; ".join(call.cookies)
    body = call.form or call.body
    if body is not None and body != {} and body_type is not None:
        headers.setdefault("content-type", FORM if call.form else body_type)
    uri = server_url(document, operation, url) + _filled(operation.path, call.path)
    return HttpInput(
        method=operation.method,
        endpoint=Endpoint(uri, wanted.authentication),
        headers=headers,
        query=call.query,
        body=None if body == {} else body,
        output=wanted.output,
        redirect=wanted.redirect,
    )


def find_operation(document: Mapping[str, Any], operation_id: str) -> Operation:
    """The operation, with the parameters of its path and its own. Raises `ProblemError` with near names."""
    ids: list[str] = []
    for path, item in _object(document.get("paths")).items():
        shared = _object(_resolved(document, item))
        for method in _METHODS:
            declared = _object(shared.get(method))
            found = declared.get("operationId")
            if found == operation_id:
                return Operation(method, path, declared, _parameters(document, shared, declared))
            if isinstance(found, str):
                ids.append(found)
    near = near_names(operation_id, ids, 3)
    hint = f"; did you mean {', '.join(near)}?" if near else f"; it has {', '.join(ids[:20]) or 'none'}"
    raise ProblemError(
        "invalid_input", f"/operation_id: the document has no operation {operation_id!r}{hint}"
    )


def _parameters(
    document: Mapping[str, Any], shared: Mapping[str, Any], declared: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """An operation's own parameter replaces its path's of the same name and place."""
    found: dict[tuple[Any, Any], dict[str, Any]] = {}
    for holder in (shared, declared):
        for item in _list(holder.get("parameters")):
            parameter = _object(_resolved(document, item))
            found[parameter.get("name"), parameter.get("in")] = parameter
    return list(found.values())


def _place(call: _Call, parameter: Mapping[str, Any], value: Any) -> None:
    name = str(parameter.get("name"))
    match parameter.get("in"):
        case "path":
            call.path[name] = ",".join(quote(_text(item), safe="") for item in _items(value))
        case "query":
            call.query |= _query(parameter, name, value)
        case "header":
            call.headers[name] = ",".join(_text(item) for item in _items(value))
        case "cookie":
            call.cookies.append(f"{name}={quote(','.join(_text(item) for item in _items(value)), safe='')}")
        case "formData":
            call.form[name] = value
        case "body":
            call.body = value
        case where:
            raise ProblemError("invalid_input", f"/parameters/{name}: {where!r} is no place for a parameter")


def _query(parameter: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Arrays: `form` repeated, unless `explode` is off or Swagger's `collectionFormat` joins them."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if parameter.get("style") == "deepObject":
            return {f"{name}[{key}]": inner for key, inner in fields.items()}
        if parameter.get("explode", True):
            return fields
        return {name: ",".join(f"{key},{_text(inner)}" for key, inner in fields.items())}
    if not isinstance(value, list):
        return {name: value}
    separators = {"csv": ",", "ssv": " ", "tsv": "\t", "pipes": "|"}
    style = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(str(parameter.get("style")))
    joined = separators.get(str(parameter.get("collectionFormat")))
    if joined is None and "type" in parameter and "schema" not in parameter:
        joined = None if parameter.get("collectionFormat") == "multi" else ","
    if joined is None and not parameter.get("explode", style is None):
        joined = style or ","
    items = cast("list[Any]", value)
    return {name: items if joined is None else joined.join(_text(item) for item in items)}


def _rest(call: _Call, operation: Operation, left: dict[str, Any], body_type: str | None) -> None:
    """Parameters that nothing declares: the body, or its members."""
    body = _object(call.body)
    if operation.method not in _WITH_BODY or (call.body is not None and body is not call.body):
        known = ", ".join(str(parameter.get("name")) for parameter in operation.parameters) or "none"
        raise ProblemError(
            "invalid_input", f"/parameters: unknown {', '.join(sorted(left))}; the operation has {known}"
        )
    if call.body is None and set(left) == {"body"}:
        call.body = left["body"]
    elif body_type == FORM:
        call.form |= left
    else:
        call.body = {**body, **left}


def _body_type(document: Mapping[str, Any], operation: Operation) -> str | None:
    """The media type of the body: JSON where it may be, else the first declared."""
    body = _object(_resolved(document, operation.declared.get("requestBody")))
    types = list(_object(body.get("content")))
    if not types:
        types = [str(item) for item in _list(operation.declared.get("consumes") or document.get("consumes"))]
    return next((item for item in types if "json" in item), types[0] if types else "application/json")


def server_url(document: Mapping[str, Any], operation: Operation, url: str) -> str:
    """The URL that paths are added to, without a slash at its end."""
    if "swagger" in document:
        schemes = _list(operation.declared.get("schemes") or document.get("schemes"))
        ours = url.split(":", 1)[0]
        scheme = ours if not schemes or ours in schemes else str(schemes[0])
        host = str(document.get("host") or url.split("//", 1)[-1].split("/", 1)[0])
        return f"{scheme}://{host}{document.get('basePath') or ''}".rstrip("/")
    servers = _list(operation.declared.get("servers") or document.get("servers"))
    server = _object(servers[0]) if servers else {}
    text = str(server.get("url") or "/")
    for name, variable in _object(server.get("variables")).items():
        text = text.replace("{" + name + "}", str(_object(variable).get("default", "")))
    return urljoin(url, text).rstrip("/")


def _filled(path: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    return path


def _resolved(document: Mapping[str, Any], value: Any) -> Any:
    """A value with its references within the document followed."""
    for _ in range(_REFERENCES_MAX):
        reference = _object(value).get("$ref")
        if reference is None:
            return value
        value = document
        for part in str(reference).removeprefix("#/").split("/"):
            value = _object(value).get(part.replace("~1", "/").replace("~0", "~"))
    raise ProblemError("invalid_input", "/document: its references go in a circle")


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _items(value: Any) -> Iterator[Any]:
    yield from cast("list[Any]", value) if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
