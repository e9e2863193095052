"""`openapi.request`: from a document and an operation's id to the HTTP call."""

from typing import Any

import msgspec
import pytest

from visapi_common.core.errors import ProblemError
from visapi_notifier.channels.http.rules import Endpoint, HttpInput
from visapi_notifier.channels.openapi.rules import OpenApiInput, plan_call

URL = "https://api.example.com/v3/openapi.json"

SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "host": "petstore.example.com",
    "basePath": "/v2",
    "schemes": ["https"],
    "consumes": ["application/json"],
    "paths": {
        "/pet/findByStatus": {
            "get": {
                "operationId": "findPetsByStatus",
                "parameters": [
                    {"name": "status", "in": "query", "type": "array", "collectionFormat": "multi"},
                    {"name": "sort", "in": "query", "type": "array"},
                ],
            }
        },
        "/pet": {"post": {"operationId": "addPet", "parameters": [{"name": "pet", "in": "body"}]}},
        "/pet/{id}/image": {
            "post": {
                "operationId": "upload",
                "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [{"name": "id", "in": "path"}, {"name": "note", "in": "formData"}],
            }
        },
    },
}
OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [{"url": "{root}/v9", "variables": {"root": {"default": "/api"}}}],
    "components": {"parameters": {"Id": {"name": "id", "in": "path", "required": True}}},
    "paths": {
        "/orders/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}, {"name": "trace", "in": "header"}],
            "put": {
                "operationId": "putOrder",
                "parameters": [{"name": "filter", "in": "query", "style": "deepObject"}],
                "requestBody": {"content": {"application/vnd.order+json": {}}},
            },
        }
    },
}


def planned(document: dict[str, Any], operation: str, **parameters: Any) -> HttpInput:
    return plan_call(document, OpenApiInput(URL, operation, parameters), url=URL)


def uri(call: HttpInput) -> str:
    assert isinstance(call.endpoint, Endpoint)
    return call.endpoint.uri


def test_swagger_says_host_and_scheme_and_how_arrays_are_joined() -> None:
    call = planned(SWAGGER, "findPetsByStatus", status=["a", "b"], sort=["x", "y"])
    assert (call.method, uri(call)) == ("get", "https://petstore.example.com/v2/pet/findByStatus")
    assert call.query == {"status": ["a", "b"], "sort": "x,y"}


def test_a_body_parameter_is_the_body() -> None:
    call = planned(SWAGGER, "addPet", pet={"name": "milou"})
    assert call.body == {"name": "milou"}
    assert call.headers == {"content-type": "application/json"}


def test_form_data_is_sent_as_a_form() -> None:
    call = planned(SWAGGER, "upload", id="a/b", note="hi")
    assert uri(call).endswith("/pet/a%2Fb/image")
    assert (call.body, call.headers) == (
        {"note": "hi"},
        {"content-type": "application/x-www-form-urlencoded"},
    )


def test_references_servers_and_undeclared_members_of_a_body() -> None:
    call = planned(OPENAPI, "putOrder", id=7, trace="t", filter={"a": 1}, total=3)
    assert uri(call) == "https://api.example.com/api/v9/orders/7"
    assert call.query == {"filter[a]": 1}
    assert call.body == {"total": 3}
    assert call.headers == {"trace": "t", "content-type": "application/vnd.order+json"}


@pytest.mark.parametrize(
    ("operation", "parameters", "told"),
    [
        ("putOrdre", {}, "did you mean putOrder"),
        ("putOrder", {}, "needs the parameters id"),
    ],
)
def test_a_mistake_says_what_there_is(operation: str, parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(ProblemError, match=told):
        planned(OPENAPI, operation, **parameters)


def test_a_parameter_that_cannot_go_anywhere_is_refused() -> None:
    with pytest.raises(ProblemError, match="unknown nope"):
        planned(SWAGGER, "findPetsByStatus", nope=1)


def test_the_input_refuses_unknown_members() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"document": URL, "operation_id": "x", "extra": 1}, OpenApiInput)
