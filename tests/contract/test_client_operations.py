"""The client's operations beside the description of the API: paths, methods, and who may be asked twice."""

import inspect
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from visapi.client import Client, operations, resources
from visapi.client.call import Call
from visapi_common.contracts.bulk import BulkAction
from visapi_common.contracts.endpoints import NewEndpoint, RotateEndpoint, UpdateEndpoint
from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.hooks import NewHook, RotateHook, UpdateHook
from visapi_common.contracts.keys import NewKey
from visapi_common.contracts.schedules import Backfill

PATHS: dict[str, Any] = json.loads((Path(__file__).parent / "openapi.json").read_text())["paths"]
NOW = datetime(2026, 11, 24, tzinfo=UTC)
SAMPLES = {
    str: "x",
    bytes: b"{}",
    int: 1,
    Any: {},
    NewEndpoint: NewEndpoint(name="x", url="https://x.example", types=["*"]),
    UpdateEndpoint: UpdateEndpoint(),
    RotateEndpoint: RotateEndpoint(),
    NewHook: NewHook(name="x", provider="github"),
    UpdateHook: UpdateHook(),
    RotateHook: RotateHook(),
    NewKey: NewKey(name="x"),
    Backfill: Backfill(NOW, NOW),
    operations.Bulk: operations.Bulk(action=BulkAction.CANCEL, filters=operations.Filters()),
    Decision: Decision.RETRY,
}


def made() -> Iterator[Any]:
    """A call of each operation that a resource has, with the arguments that it needs."""
    with Client("http://127.0.0.1:1", "key") as client:
        found = [each for each in vars(client).values() if isinstance(each, resources.Resource)]
    for resource in found:
        for name, one in vars(type(resource)).items():
            if isinstance(one, resources.Operation | resources.Listing):
                yield pytest.param(one, id=f"{type(resource).__name__.lower()}.{name}")


def call_of(one: Any) -> Call[Any]:
    needed = [
        each
        for each in inspect.signature(one.make, eval_str=True).parameters.values()
        if each.default is each.empty
    ]
    given = ["x/x" if each.name == "workflow" else SAMPLES.get(each.annotation, []) for each in needed]
    return one.make(*given)


def described(call: Call[Any]) -> dict[str, Any]:
    for path, item in PATHS.items():
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), call.path) and call.method.lower() in item:
            return item[call.method.lower()]
    raise AssertionError(f"the API has no {call.method} {call.path}")


@pytest.mark.parametrize("one", list(made()))
def test_an_operation_of_the_client_is_one_of_the_api_and_is_repeated_where_that_is_safe(one: Any):
    call = call_of(one)
    names = {
        each.get("name", each.get("$ref", "").rpartition("/")[2])
        for each in described(call).get("parameters", [])
    }
    keyed = any("idempotency" in name.lower() for name in names)
    assert set(call.params) <= names
    assert not call.keyed or keyed
    assert call.repeatable or not (keyed or call.method in {"GET", "PUT"})
    assert isinstance(one, resources.Listing) == ("cursor" in names)
