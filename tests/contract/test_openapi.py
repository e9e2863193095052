"""The HTTP API as documented, frozen: a change of the API is a change of `openapi.json` in the same commit.

`VISAPI_TEST_FREEZE=1 .venv/bin/pytest tests/contract/test_openapi.py` writes it anew.
"""

import json
import os
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate

from visapi_gateway import slices
from visapi_gateway.kernel.access.scopes import OPERATOR_SCOPES, SCOPES
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
    headers = document()["components"]["headers"]
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                shown = response["headers"]
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
