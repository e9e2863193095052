"""A key that is limited to workflows, and every operation of the route table: with things of another workflow of the
same tenant, and with its own.

An operation is refused to such keys unless it says otherwise (`limited_keys`), so a new one is refused. One that is
narrowed must answer about the other workflow as about one that does not exist.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from kit.every_operation import (
    HIDDEN,
    YAML,
    Victim,
    ids_in,
    known,
    likeness,
    nowhere,
    operations,
    plant,
    query_value,
    request_of,
    rows,
    send,
)
from visapi_common.core.scopes import LIMITED_SCOPES
from visapi_gateway.slices import operations as route_table

OWN = """
document: {dsl: '1.0.3', namespace: ours, name: flow, version: '1.0.0'}
schedule: {every: {days: 300}}
do: [{a: {set: {n: 1}}}]
"""
LIMITED = {operation.name: operation.limited_keys for operation in route_table() if not operation.public}


@pytest.fixture
async def tenant(gateway: Any, tmp_path: Path) -> AsyncIterator[Victim]:
    """A tenant with two workflows, and one of everything of theirs/flow."""
    async with gateway.client(await gateway.key("victim")) as client:
        await known(gateway, client)
        planted = await plant(gateway, client, tmp_path)
        assert (await client.post("/v1/workflows", content=OWN, headers=YAML)).status_code == 201
        yield planted


async def limited(gateway: Any, tenant: Victim, *workflows: str) -> httpx.AsyncClient:
    body = {"name": "limited", "workflows": list(workflows), "scopes": list(LIMITED_SCOPES)}
    made = await tenant.client.post("/v1/keys", json=body)
    assert made.status_code == 201, made.text
    return gateway.client(made.json()["key"])


async def test_no_operation_shows_or_changes_anything_of_another_workflow(
    gateway: Any, tenant: Victim
) -> None:
    client = await limited(gateway, tenant, "ours/flow", "nobody/*")
    document = (await gateway.http.get("/openapi.json")).json()
    wanted = {"action": "cancel", "filter": {"workflow": "theirs/flow"}}
    counted = await client.post("/v1/runs/bulk/count", json=wanted)
    assert (counted.status_code, counted.json()["count"]) == (200, 0)
    before, asked = await rows(gateway), dict.fromkeys(LIMITED.values(), 0)
    for method, path, operation in operations(document):
        name = operation["operationId"]
        if operation.get("security") == []:
            continue
        queries = [None] + [
            {parameter["name"]: value}
            for parameter in operation["parameters"]
            if parameter["in"] == "query"
            and (value := query_value(name, parameter["name"], tenant.things)) is not None
        ]
        for which in (tenant.things, {**tenant.things, "run": tenant.things["ended"]}):
            for query in queries:
                request = request_of(operation, method, path, which, counted.json()["token"])
                answer = await send(client, request, params=query)
                where = f"{method} {path} {query}: {answer.status_code} {answer.text[:300]}"
                asked[LIMITED[name]] += 1
                if LIMITED[name] == "refused":
                    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), where
                    continue
                if name == "readArtifact":
                    continue
                assert answer.status_code < 500, where
                assert HIDDEN not in answer.text, where
                assert "theirs" not in answer.text.replace("no workflow theirs/flow", "") or "{" in path, (
                    where
                )
                if LIMITED[name] == "narrowed" and "{" in path:
                    assert answer.status_code == 404, where
                if LIMITED[name] == "narrowed" and ids_in(path):
                    other = nowhere(which)
                    again = await send(client, request_of(operation, method, path, other, "x"), params=query)
                    assert likeness(answer, which) == likeness(again, other), where
    assert asked["refused"] > 20
    assert asked["narrowed"] > 40
    assert asked["open"] > 2
    assert await rows(gateway) == before


async def test_what_belongs_to_its_own_workflow_is_its_own(gateway: Any, tenant: Victim) -> None:
    """Every narrowed operation of the table succeeds on what the key may see, or the test above proves nothing."""
    client = await limited(gateway, tenant, "theirs/*")
    counted = await client.post(
        "/v1/runs/bulk/count", json={"action": "cancel", "filter": {"parent": tenant.things["run"]}}
    )
    document = (await gateway.http.get("/openapi.json")).json()
    answered: dict[str, int] = {}
    for method, path, operation in operations(document):
        name = operation["operationId"]
        if operation.get("security") == [] or LIMITED[name] == "refused":
            continue
        request = request_of(operation, method, path, tenant.things, counted.json()["token"])
        answered[name] = (await send(client, request)).status_code
    assert answered.pop("retryRun") == 409, "the run has not faulted"
    assert all(200 <= status < 300 for status in answered.values()), answered
    assert len(answered) > 20


async def test_lists_hold_the_runs_of_its_workflows_alone(gateway: Any, tenant: Victim) -> None:
    mine = [await tenant.client.post("/v1/workflows/ours/flow/runs", json=n) for n in range(5)]
    client = await limited(gateway, tenant, "ours/flow")
    found: list[str] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        more = {"cursor": page["next"]} if page["next"] else {}
        page = (await client.get("/v1/runs", params={"limit": 2, **more})).json()
        found += [run["id"] for run in page["items"]]
    assert sorted(found) == sorted(answer.json()["id"] for answer in mine)
    for query in (
        {"workflow": "theirs"},
        {"workflow": "theirs/flow"},
        {"q": "theirs"},
        {"schedule": "theirs/flow"},
    ):
        assert (await client.get("/v1/runs", params=query)).json()["items"] == [], query
    for path in ("/v1/workflows", "/v1/schedules"):
        names = [item["namespace"] for item in (await client.get(path)).json()["items"]]
        assert names == ["ours"], path
    for which, seen in (("ours/*", []), ("theirs/flow", [tenant.things["approval"]])):
        client = await limited(gateway, tenant, which)
        items = (await client.get("/v1/approvals", params={"state": "all"})).json()["items"]
        assert [item["id"] for item in items] == seen


async def test_an_idempotency_key_of_another_opens_no_run_of_another_workflow(
    gateway: Any, tenant: Victim
) -> None:
    client = await limited(gateway, tenant, "ours/flow")
    path, body, headers = "/v1/workflows/theirs/flow/runs", {"n": 1}, {"Idempotency-Key": "shared"}
    theirs = (await tenant.client.post(path, json=body, headers=headers)).json()["id"]
    answer = await client.post(path, json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "workflow_not_found")
    assert theirs not in answer.text
    suspend = f"/v1/runs/{theirs}/suspend"
    await tenant.client.post(suspend, json={}, headers={"Idempotency-Key": "told"})
    answer = await client.post(suspend, json={}, headers={"Idempotency-Key": "told"})
    assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")


async def test_a_stream_of_another_workflow_is_not_there(gateway: Any, tenant: Victim) -> None:
    client = await limited(gateway, tenant, "ours/flow")
    headers = {"Accept": "text/event-stream"}
    for run in (tenant.things["run"], tenant.things["ended"], str(uuid4())):
        answer = await client.get(f"/v1/runs/{run}/history", headers=headers)
        assert answer.status_code == 404


async def test_requests_of_limited_and_other_keys_at_once_do_not_mix(gateway: Any, tenant: Victim) -> None:
    """The policies know a transaction's workflows; a connection serves all keys one after another."""
    client = await limited(gateway, tenant, "ours/flow")
    await tenant.client.post("/v1/workflows/ours/flow/runs", json=1)

    async def names(of: httpx.AsyncClient) -> set[str]:
        items = (await of.get("/v1/runs")).json()["items"]
        return {run["workflow"]["namespace"] for run in items}

    many = await asyncio.gather(*(names(client if n % 2 else tenant.client) for n in range(60)))
    assert all(found == {"ours"} for found in many[1::2])
    assert all(found == {"ours", "theirs"} for found in many[::2])


async def test_the_ledger_hides_other_workflows_also_where_nobody_names_them(
    gateway: Any, tenant: Victim
) -> None:
    """The policies hold for every statement of the gateway's role; a list of workflows that is empty shows none."""
    tables = ("runs", "runs_done", "workflows", "schedules", "approvals")

    async def seen(workflows: str) -> list[int]:
        async with gateway.db.transaction():
            await gateway.db.execute(
                "set local role visapi_gateway; set local visapi.tenants = 'victim';"
                f" set local visapi.workflows = '{workflows}'; set local search_path = visapi"
            )
            return [await gateway.db.fetchval(f"select count(*) from {table}") for table in tables]

    everything = await seen("")
    assert all(everything)
    assert await seen("theirs/flow,ours/flow") == everything
    assert await seen("theirs/*,ours/*") == everything
    ours = [0, 0, 1, 1, 0]
    assert await seen("ours/flow") == ours
    assert await seen("theirs/flow") == [a - b for a, b in zip(everything, ours, strict=True)]
    for nothing in ("-", "theirs", "theirs/flo", "*", "theirs/flow2", "*/flow"):
        assert await seen(nothing) == [0] * 5, nothing


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"workflows": []}, "/workflows"),
        ({"workflows": ["flow"]}, "/workflows"),
        ({"workflows": ["*/*"]}, "/workflows"),
        ({"workflows": ["a/b'; drop table runs; --"]}, "/workflows"),
        ({"workflows": ["a/b,c/d"]}, "/workflows"),
        ({"workflows": ["Ours/flow"]}, "/workflows"),
        ({"workflows": ["ours/flow"], "scopes": ["events:write"]}, "/scopes"),
        ({"workflows": ["ours/flow"], "scopes": ["*"]}, "/scopes"),
        ({"workflows": ["ours/flow"], "scopes": ["keys:admin"]}, "/scopes"),
        ({"workflows": ["ours/flow"], "kind": "admin"}, "/kind"),
        ({"workflows": ["a/b"] * 101}, "/workflows"),
    ],
)
async def test_a_limit_that_limits_nothing_or_cannot_be_kept_is_refused(
    gateway: Any, body: Any, pointer: str
) -> None:
    answer = await gateway.http.post("/v1/keys", json={"name": "n", **body})
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_without_scopes_a_limited_key_gets_those_that_can_be_limited(gateway: Any) -> None:
    for given in ({}, {"role": "developer"}, {"role": "admin"}):
        made = (await gateway.http.post("/v1/keys", json={"name": "n", "workflows": ["a/b"], **given})).json()
        assert made["scopes"] == sorted(LIMITED_SCOPES), given
        assert made["workflows"] == ["a/b"]


async def test_artifacts_are_read_by_whoever_knows_their_hash(gateway: Any, tenant: Victim) -> None:
    client = await limited(gateway, tenant, "ours/flow")
    assert (await client.get(f"/v1/artifacts/{tenant.things['artifact']}")).status_code == 200
    assert re.fullmatch(r"[0-9a-f]{64}\.\w+", tenant.things["artifact"])
    assert UUID(tenant.things["run"])
