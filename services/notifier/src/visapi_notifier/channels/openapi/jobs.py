"""Jobs that read OpenAPI documents and plan calls in bounded processes."""

from typing import Any, cast

import msgspec

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import ProblemError
from visapi_engine.source.findings import DefinitionInvalid
from visapi_engine.source.json_source import read_json
from visapi_engine.source.unreadable import Unreadable
from visapi_engine.source.yaml_source import read_yaml
from visapi_notifier.channels.http.rules import HttpCall, call_of
from visapi_notifier.channels.openapi.rules import OpenApiCall, OpenApiInput, openapi_call, plan_call
from visapi_notifier.outbound.rules.job_answers import Problem, Refusal, failure_of, failure_struct

DEPTH_MAX = 64
VALUES_MAX = 500_000


class PlanRequest(msgspec.Struct, frozen=True):
    """A call to plan: the result of `read_document`, the request, and the URL of the document."""

    document: bytes
    asked: OpenApiCall
    url: str


class ReadDocument(msgspec.Struct, frozen=True, tag="read"):
    document: bytes


class PlannedCall(msgspec.Struct, frozen=True, tag="planned"):
    call: HttpCall


_encode = msgspec.msgpack.Encoder().encode
_read_plan_request = msgspec.msgpack.Decoder(PlanRequest).decode
_read_answer = msgspec.msgpack.Decoder[ReadDocument | PlannedCall | Problem | Refusal](
    ReadDocument | PlannedCall | Problem | Refusal
).decode


def encode_wanted(document: bytes, asked: OpenApiCall, url: str) -> bytes:
    return _encode(PlanRequest(document, asked, url))


def read_answer(result: bytes) -> ReadDocument | PlannedCall:
    """Raises `ProblemError` or `EgressRefused`."""
    answer = _read_answer(result)
    if isinstance(answer, Problem | Refusal):
        raise failure_of(answer)
    return answer


def read_document(body: bytes) -> bytes:
    """A job: JSON or YAML; the document in a form that is quickly read again."""
    try:
        return _encode(ReadDocument(_encode(_document(body))))
    except ProblemError as problem:
        return _encode(failure_struct(problem))
    except OverflowError:
        return _encode(failure_struct(ProblemError("invalid_input", "an integer does not fit 64 bits")))


def plan(payload: bytes) -> bytes:
    """A job: a `PlanRequest`; the call."""
    wanted = _read_plan_request(payload)
    document = cast("dict[str, Any]", msgspec.msgpack.decode(wanted.document))
    parameters = msgspec.msgpack.decode(wanted.asked.parameters)
    asked = msgspec.structs.replace(wanted.asked.asked, parameters=parameters)
    try:
        return _encode(PlannedCall(call_of(plan_call(document, asked, url=wanted.url))))
    except (ProblemError, EgressRefused) as refused:
        return _encode(failure_struct(refused))


def warm_up() -> None:
    """Import everything that the first job needs, because a job may open no file."""
    for body in (b'{"paths": {}}', b"paths: {}", b"{", b": :"):
        read_document(body)
    sample = _encode({"openapi": "3.0.3", "paths": {"/a": {"get": {"operationId": "warm"}}}})
    for operation in ("warm", "worm"):
        plan(encode_wanted(sample, openapi_call(OpenApiInput("http://a/b", operation)), "http://a/b"))


def _document(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
        if text.lstrip().startswith("{"):
            value = read_json(text)
        else:
            value = read_yaml(text, depth_max=DEPTH_MAX, values_max=VALUES_MAX)
    except (UnicodeDecodeError, Unreadable, DefinitionInvalid) as wrong:
        raise ProblemError("invalid_input", f"neither JSON nor YAML: {wrong}") from wrong
    if not isinstance(value, dict):
        raise ProblemError("invalid_input", "an OpenAPI document must be an object")
    return cast("dict[str, Any]", value)
