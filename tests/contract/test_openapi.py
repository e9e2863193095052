"""The HTTP API as documented, frozen: a change of the API is a change of `openapi.json` in the same commit.

`VISAPI_TEST_FREEZE=1 .venv/bin/pytest tests/contract/test_openapi.py` writes it anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from visapi_gateway import slices
from visapi_gateway.kernel.access.scopes import OPERATOR_SCOPES, SCOPES
from visapi_gateway.kernel.api.described import TAGS
from visapi_gateway.kernel.api.examples import REQUESTS
from visapi_gateway.kernel.api.openapi import build_openapi
from visapi_gateway.kernel.api.operation import Operation
from visapi_gateway.kernel.problems import KINDS

FROZEN = Path(__file__).parent / "openapi.json"


def operations() -> list[Operation]:
    """Every operation of every slice."""
    return sorted(slices.operations(), key=lambda operation: (operation.path, operation.method))


def document() -> dict[str, Any]:
    return json.loads(json.dumps(build_openapi(operations(), "frozen"), sort_keys=True))


def test_the_document_is_as_frozen():
    if os.environ.get("VISAPI_TEST_FREEZE"):
        FROZEN.write_text(json.dumps(document(), indent=1, sort_keys=True) + "\n")
    assert json.loads(FROZEN.read_text()) == document()


def test_the_document_is_valid_openapi_3_1():
    validate(document())


def test_a_schema_has_a_name_of_its_own_that_a_generator_can_use():
    names = document()["components"]["schemas"]
    assert [name for name in names if not name.isidentifier()] == []


def test_every_operation_needs_a_key_and_a_scope_unless_it_says_otherwise():
    open_to_all = {f"{operation.method} {operation.path}" for operation in operations() if operation.public}
    unscoped = {
        f"{operation.method} {operation.path}"
        for operation in operations()
        if not operation.public and operation.scope not in (*SCOPES, *OPERATOR_SCOPES)
    }
    assert open_to_all == {
        "GET /livez",
        "GET /readyz",
        "GET /openapi.json",
        "GET /approve/{token:str}",
        "POST /approve/{token:str}",
        "POST /v1/keys/report-leak",
        "GET /docs",
        "GET /problems",
        "GET /problems/{problem:str}",
        "GET /v1/hooks/in/{address:str}",
        "POST /v1/hooks/in/{address:str}",
    }
    assert unscoped == {"GET /v1/capabilities", "GET /v1/keys/current", "GET /v1/rates/current"}


def test_every_operation_with_a_key_tells_of_its_rates_in_one_way():
    components = document()["components"]
    headers = components["headers"]
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                shared = response.get("$ref", "").removeprefix("#/components/responses/")
                shown = (components["responses"][shared] if shared else response)["headers"]
                told = {name for name in shown if name.startswith("RateLimit")}
                limited = operation.get("security") != [] and status != "401"
                assert told == ({"RateLimit", "RateLimit-Policy"} if limited else set()), (
                    method,
                    path,
                    status,
                )
                assert all(shown[name] == {"$ref": f"#/components/headers/{name}"} for name in told)
                if limited and status in {"429", "503"}:
                    assert shown["Retry-After"] == {"$ref": "#/components/headers/Retry-After"}
    assert set(headers) >= {"RateLimit", "RateLimit-Policy", "Retry-After"}


def test_every_problem_an_operation_names_is_in_the_catalogue():
    assert {code for operation in operations() for code in operation.problems} - set(KINDS) == set()


def test_names_of_operations_are_unique():
    names = [operation.name for operation in operations()]
    assert sorted(names) == sorted(set(names))


def bodies() -> list[tuple[str, dict[str, Any]]]:
    """Each body of a request or a successful response, with its place."""
    found: list[tuple[str, dict[str, Any]]] = []
    for methods in document()["paths"].values():
        for operation in methods.values():
            name = operation["operationId"]
            sent = operation.get("requestBody", {}).get("content", {})
            found += [(f"{name} {kind}", body) for kind, body in sent.items()]
            found += [
                (f"{name} {status}", body)
                for status, response in operation["responses"].items()
                for kind, body in response.get("content", {}).items()
                if kind == "application/json"
            ]
    return found


def test_every_body_has_an_example_that_its_schema_allows():
    whole = document()
    for place, body in bodies():
        assert "example" in body, place
        schema = {**body["schema"], "components": whole["components"]}
        wrong = [error.message for error in OAS31Validator(schema).iter_errors(body["example"])]
        assert wrong == [], place


@pytest.mark.parametrize(
    "operation", [each for each in operations() if isinstance(each.body, type)], ids=lambda each: each.name
)
def test_the_example_of_a_request_is_read_as_the_request(operation: Operation):
    if operation.body is not Any:
        msgspec.json.decode(msgspec.json.encode(REQUESTS[operation.name]), type=operation.body)


def test_responses_that_most_operations_have_alike_are_described_once():
    whole = document()
    shared = whole["components"]["responses"]
    assert {"Unauthorized", "NotAcceptable", "InternalServerError", "ServiceUnavailable"} <= shared.keys()
    texts = [json.dumps(response) for response in shared.values()]
    for methods in whole["paths"].values():
        for operation in methods.values():
            assert [
                text for each in operation["responses"].values() if (text := json.dumps(each)) in texts
            ] == []
    start = whole["paths"]["/v1/workflows/{namespace}/{name}/runs"]["post"]["responses"]
    assert {status for status, each in start.items() if "$ref" not in each} >= {"202", "400", "409", "422"}


def test_each_example_is_of_an_operation_with_a_body():
    assert REQUESTS.keys() == {each.name for each in operations() if each.body is not None}


def test_each_tag_has_a_meaning_and_each_meaning_a_tag():
    assert TAGS.keys() == {each.tag for each in operations()}
