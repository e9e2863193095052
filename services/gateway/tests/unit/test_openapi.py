"""The description follows from the declarations."""

from visapi_gateway.kernel.api.openapi import build_openapi
from visapi_gateway.kernel.problems import KINDS, type_of
from visapi_gateway.slices import operations


def test_operations_have_names_of_their_own_and_known_problems() -> None:
    names = [operation.name for operation in operations()]
    assert len(set(names)) == len(names)
    for operation in operations():
        assert set(operation.problems) <= set(KINDS), operation.name


def test_only_probes_the_description_leak_reports_and_the_page_behind_a_link_need_no_key() -> None:
    public = {operation.path for operation in operations() if operation.public}
    assert public == {
        "/livez",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/problems",
        "/problems/{problem:str}",
        "/approve/{token:str}",
        "/v1/hooks/in/{address:str}",
        "/v1/keys/report-leak",
    }
    assert {operation.path for operation in operations() if operation.signed} == {
        "/v1/artifacts/{artifact:str}"
    }


def test_the_shapes_others_rely_on_are_in_the_document() -> None:
    schemas = build_openapi(operations(), "1.0.0")["components"]["schemas"]
    run = set(schemas["RunView"]["properties"])
    assert run == {
        "id", "workflow", "status", "input", "output", "error", "created_at", "started_at", "ended_at", "links",
        "attributes", "test",
    }  # fmt: skip
    assert {"items", "next"} == set(schemas["HistoryPage"]["properties"])


def test_problem_types_are_stable() -> None:
    assert type_of("not_found") == "https://visapi.dev/problems/not-found"
    assert all(400 <= kind.status < 600 for kind in KINDS.values())
