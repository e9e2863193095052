"""The OpenAPI 3.1 document, made from the declarations that also make routes and checks."""

import re
from collections.abc import Sequence
from typing import Any

from visapi_gateway.kernel.api.checks import QUERY_LIMIT
from visapi_gateway.kernel.api.described import ANSWER_HEADERS, IF_MATCH, SHARED_HEADERS, TAGS
from visapi_gateway.kernel.api.examples import request_example
from visapi_gateway.kernel.api.operation import Operation, ResponseSpec
from visapi_gateway.kernel.api.rate_headers import POLICY, STATE
from visapi_gateway.kernel.api.schemas import Schemas, bounded
from visapi_gateway.kernel.api.shared_responses import share
from visapi_gateway.kernel.asgi.cors import CROSS_ORIGIN_PATHS
from visapi_gateway.kernel.asgi.shell import HEADERS_LIMIT, PATH_LIMIT
from visapi_gateway.kernel.problems import KINDS, type_of

_PARAMETER = re.compile(r"\{(\w+):(\w+)\}")
_EVERYWHERE = ("bad_request", "method_not_allowed", "not_acceptable", "headers_too_large", "uri_too_long",
               "internal_error", "unavailable")  # fmt: skip
_UNCHANGED = ResponseSpec("Unchanged since the answer with this ETag.", headers=("ETag",))
_HEADER_REF = "#/components/headers/{name}"
_OF_KEYS = (POLICY, STATE)
"""Of the responses of an operation that needs a key, once the key is known."""


def build_openapi(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The document as plain data. `version` is the service's."""
    schemas = Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = _PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    tags = list(dict.fromkeys(operation.tag for operation in operations))
    shared = share(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "VisAPI",
            "version": version,
            "summary": "Durable workflows over HTTP.",
            "description": "Errors are problem details (RFC 9457); `type` and `code` are stable.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "x-internal": False}],
        "tags": [{"name": tag, "description": TAGS[tag]} for tag in tags],
        "security": [{"bearer": []}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
            },
            "headers": SHARED_HEADERS,
            "responses": shared,
        },
    }


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_path(operation), *_query(operation, schemas), *_headers(operation)],
        "responses": _responses(operation, schemas),
    }
    if operation.deprecated is not None:
        document["deprecated"] = True
    if description := operation.full_description:
        document["description"] = description
    if operation.scope:
        document["x-required-scope"] = operation.scope
    if operation.public:
        document["security"] = []
    elif operation.signed:
        document["security"] = [{"bearer": []}, {"key": []}, {}]
    if operation.body is not None:
        content = {
            media_type: {
                "schema": schemas.of(operation.body),
                "example": request_example(operation.name, media_type),
            }
            for media_type in operation.body_types
        }
        document["requestBody"] = {"required": operation.body_required, "content": content}
    return document


def _responses(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    found = {**_answers(operation, schemas), **_problems(operation)}
    if operation.deprecated is not None:
        for response in found.values():
            response["headers"] |= _header_of("Deprecation", "Sunset", "Link")
    return found


def _path(operation: Operation) -> list[dict[str, Any]]:
    found = _PARAMETER.findall(operation.path)
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"Of the {name}.",
            "schema": bounded({"type": "string", "format": "uuid"})
            if kind == "uuid"
            else {"type": "string", "minLength": 1, "maxLength": PATH_LIMIT},
        }
        for name, kind in found
    ]


def _query(operation: Operation, schemas: Schemas) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    parameters: list[dict[str, Any]] = []
    for name, schema in schemas.fields(operation.query).items():
        shown = bounded(_without_null(schema), QUERY_LIMIT)
        description = shown.pop("description", name)
        parameters.append({"name": name, "in": "query", "description": description, "schema": shown})
    return parameters


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is left out, never null."""
    shown = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    options = [option for option in shown.pop("anyOf", []) if option != {"type": "null"}]
    return {**shown, **options[0]} if len(options) == 1 else shown


def _headers(operation: Operation) -> list[dict[str, Any]]:
    headers = dict(operation.headers)
    if operation.tagged:
        headers.setdefault("If-None-Match", "An ETag from an earlier response.")
    if operation.if_match != "ignored":
        headers.setdefault("If-Match", IF_MATCH[operation.if_match])
    if operation.once:
        headers["Idempotency-Key"] = f"The same key with the same request {operation.once}, for 7 days."
    return [
        {
            "name": name,
            "in": "header",
            "description": meaning,
            "schema": {"type": "string", "maxLength": HEADERS_LIMIT},
            **({"required": True} if (name, operation.if_match) == ("If-Match", "required") else {}),
        }
        for name, meaning in headers.items()
    ]


def _answers(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    shared = _shared(*_common(operation), *(() if operation.public else _OF_KEYS))
    if operation.once:
        shared |= _header_of("Idempotent-Replayed")
    found = {str(status): _answer(answer, schemas, shared) for status, answer in operation.responses.items()}
    if "200" in found and (operation.tagged or operation.if_match != "ignored"):
        found["200"]["headers"] |= _header_of("ETag")
    if operation.tagged:
        found.setdefault("304", _answer(_UNCHANGED, schemas, shared))
    return found


def _answer(answer: ResponseSpec, schemas: Schemas, shared: dict[str, Any]) -> dict[str, Any]:
    headers = {**shared, **_header_of(*answer.headers)}
    document: dict[str, Any] = {"description": answer.meaning, "headers": headers}
    content: dict[str, Any] = {}
    for media_type in answer.media_types:
        if answer.body is not None and media_type == "application/json":
            schema = schemas.of(answer.body)
            content[media_type] = {"schema": schema, "example": schemas.examples.of(schema)}
        elif answer.body is not None or media_type != "application/json":
            content[media_type] = {"schema": {"type": "string"}}
    if content:
        document["content"] = content
    return document


def _common(operation: Operation) -> tuple[str, ...]:
    """The headers of every response of the operation."""
    crossing = ("Access-Control-Allow-Origin",) if operation.path.startswith(CROSS_ORIGIN_PATHS) else ()
    return ("X-Request-Id", *crossing)


def _shared(*names: str) -> dict[str, Any]:
    return {name: {"$ref": _HEADER_REF.format(name=name)} for name in names}


def _header_of(*names: str) -> dict[str, Any]:
    return {name: _header(ANSWER_HEADERS[name]) for name in names}


def _header(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "schema": {"type": "string"}}


def _problems(operation: Operation) -> dict[str, Any]:
    """The problems of the operation, by status."""
    by_status: dict[int, list[str]] = {}
    for code in problem_codes(operation):
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        str(status): {
            "description": "; ".join(f"{KINDS[code].title} (`{code}`)" for code in codes) + ".",
            "headers": {
                **_shared(*_common(operation), *(() if operation.public or status == 401 else _OF_KEYS)),
                **_problem_headers(status, codes),
            },
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {code: {"value": _example(code)} for code in codes},
                }
            },
        }
        for status, codes in sorted(by_status.items())
        if status not in operation.responses
    }


def problem_codes(operation: Operation) -> list[str]:
    """Every problem that the operation can answer with, each once."""
    return list(dict.fromkeys((*_implied(operation), *operation.problems)))


def _implied(operation: Operation) -> list[str]:
    codes = [*_EVERYWHERE, "invalid_query"]
    if not operation.public:
        codes += ["unauthenticated", "key_expired", "key_disabled"]
        codes += ["forbidden", "address_refused", "tenant_disabled", "rate_limited"]
    if not operation.probe:
        codes.append("too_many_open")
    if operation.body is not None:
        codes += [
            "invalid_json",
            "invalid_body",
            "payload_too_large",
            "unsupported_media_type",
            "request_timeout",
        ]
    if operation.query is not None and "cursor" in operation.query.__struct_fields__:
        codes.append("invalid_cursor")
    if operation.if_match != "ignored":
        codes.append("precondition_failed")
    if operation.if_match == "required":
        codes.append("precondition_required")
    if "{" in operation.path:
        codes.append("not_found")
    if operation.once:
        codes += ["invalid_header", "idempotency_in_flight", "idempotency_conflict"]
    return codes


def _problem_headers(status: int, codes: Sequence[str]) -> dict[str, Any]:
    match status:
        case 401:
            return {"WWW-Authenticate": _header("The authentication challenge.")}
        case 416:
            return _header_of("Content-Range")
        case 405:
            return {"Allow": _header("The allowed methods of the path.")}
        case 429 | 503:
            return _shared("Retry-After")
        case 409 if "idempotency_in_flight" in codes:
            return _shared("Retry-After")
        case _:
            return {}


def _example(code: str) -> dict[str, Any]:
    kind = KINDS[code]
    return {"type": type_of(code), "title": kind.title, "status": kind.status, "code": code}
