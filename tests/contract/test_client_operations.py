"""The client's operations beside the description of the API: paths, methods, and who may be asked twice."""

import inspect
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from visapi.client import Client, account_operations, operations
from visapi.client.all_runs import AllRuns
from visapi.client.call import Call
from visapi.client.declaring import Lines, Listing, Operation, Resource
from visapi.client.failures import ApiError, UnreachableError
from visapi.client.retrying import is_sent_again
from visapi_common.contracts.accounts import PutAccount, RotateAccount
from visapi_common.contracts.bulk import BulkAction
from visapi_common.contracts.dead_letters import ReplayFilter, StartReplay
from visapi_common.contracts.endpoints import NewEndpoint, RotateEndpoint, UpdateEndpoint
from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.hooks import NewHook, RotateHook, UpdateHook
from visapi_common.contracts.keys import ChangeKey, NewKey
from visapi_common.contracts.problems import Problem
from visapi_common.contracts.rates import SetNamedRate, SetRate
from visapi_common.contracts.schedules import Backfill
from visapi_common.contracts.simulation import SimulateWorkflow
from visapi_common.contracts.templates import NewTemplate, PreviewTemplate
from visapi_common.contracts.tenants import NewTenant

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
    ChangeKey: ChangeKey(),
    PutAccount: PutAccount("smtp", {}),
    RotateAccount: RotateAccount({}),
    NewTemplate: NewTemplate("pdf", {}),
    PreviewTemplate: PreviewTemplate(),
    NewTenant: NewTenant("x"),
    ReplayFilter: ReplayFilter(),
    StartReplay: StartReplay(ReplayFilter()),
    SetRate: SetRate(),
    SetNamedRate: SetNamedRate(keys=[]),
    SimulateWorkflow: SimulateWorkflow({}),
}
NOT_TWICE = {"putAccount"}
"""Each makes a version."""


def declared() -> Iterator[tuple[str, Any]]:
    """Each operation that a resource has."""
    with Client("http://127.0.0.1:1", "key") as client:
        found = [each for each in vars(client).values() if isinstance(each, Resource)]
    for resource in found:
        for name, one in vars(type(resource)).items():
            if isinstance(one, Operation | Listing | Lines):
                yield f"{type(resource).__name__.lower()}.{name}", one


def call_of(one: Any, **more: str) -> Call[Any]:
    needed = [
        each
        for each in inspect.signature(one.make, eval_str=True).parameters.values()
        if each.default is each.empty
    ]
    given = ["x/x" if each.name == "workflow" else SAMPLES.get(each.annotation, []) for each in needed]
    return one.make(*given, **more)


def conditional() -> list[Any]:
    return [
        pytest.param(one, id=name)
        for name, one in declared()
        if "if_match" in inspect.signature(one.make).parameters
    ]


def refused(status: int, code: str | None = None, retry_after_s: float | None = None) -> ApiError:
    return ApiError(Problem(type="about:blank", title="refused", status=status, code=code), retry_after_s)


def described(call: Call[Any]) -> dict[str, Any]:
    for path, item in PATHS.items():
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), call.path) and call.method.lower() in item:
            return item[call.method.lower()]
    raise AssertionError(f"the API has no {call.method} {call.path}")


@pytest.mark.parametrize("one", [pytest.param(one, id=name) for name, one in declared()])
def test_an_operation_of_the_client_is_one_of_the_api_and_is_repeated_where_that_is_safe(one: Any):
    call = call_of(one)
    names = {
        each.get("name", each.get("$ref", "").rpartition("/")[2])
        for each in described(call).get("parameters", [])
    }
    keyed = "Idempotency-Key" in names
    assert set(call.params) <= names
    assert call.keyed == keyed
    safe = keyed or (call.method in {"GET", "PUT"} and described(call)["operationId"] not in NOT_TWICE)
    assert call.repeatable or not safe or isinstance(one, Lines)
    assert isinstance(one, Listing) == ("cursor" in names)
    assert ("if_match" in inspect.signature(one.make).parameters) == ("If-Match" in names)


@pytest.mark.parametrize("one", conditional())
def test_a_change_with_if_match_and_without_a_key_is_not_sent_again_where_it_may_have_been_made(one: Any):
    call = call_of(one, if_match='"1"')
    again = {
        is_sent_again(call, error)
        for error in (
            UnreachableError("the connection broke"),
            refused(502),
            refused(503),
            refused(503, "outcome_unknown", 2.0),
            refused(504),
        )
    }
    assert again == {call.keyed}


@pytest.mark.parametrize("one", conditional())
def test_a_change_with_if_match_is_sent_again_where_it_was_not_made(one: Any):
    call = call_of(one, if_match='"1"')
    assert is_sent_again(call, UnreachableError("nobody listens", sent=False))
    assert is_sent_again(call, refused(503, "unavailable", 1.0))
    assert is_sent_again(call, refused(429, "rate_limited", 1.0))


def test_the_client_has_every_operation_of_the_api_for_keys():
    calls = [call_of(one) for _, one in declared()] + [AllRuns().call()]
    theirs = [item for path, item in PATHS.items() if path.startswith("/v1/") and "/hooks/in/" not in path]
    assert {described(call)["operationId"] for call in calls} == {
        one["operationId"] for item in theirs for one in item.values()
    }


def test_a_verification_of_an_account_is_not_repeated_because_providers_count_failed_sign_ins() -> None:
    assert not account_operations.verify_account("mail").repeatable
