"""A key of kind `test`, and every operation of the route table: what it starts is marked, and it changes nothing on
which live runs depend.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from kit.every_operation import YAML, Victim, known, operations, plant, request_of, rows, send
from visapi_gateway.slices import operations as route_table

TEST_KEYS = {
    operation.name: operation.test_keys
    for operation in route_table()
    if not operation.public and operation.method != "GET"
}
NEW = """
document: {dsl: '1.0.3', namespace: theirs, name: flow, version: '2.0.0'}
do: [{a: {set: {n: 1}}}]
"""


@pytest.fixture
async def tenant(gateway: Any, tmp_path: Path) -> AsyncIterator[Victim]:
    async with gateway.client(await gateway.key("victim")) as client:
        await known(gateway, client)
        yield await plant(gateway, client, tmp_path)


@pytest.fixture
async def trial(gateway: Any, tenant: Victim) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client(await gateway.key("victim", kind="test")) as client:
        await known(gateway, client)
        yield client


async def test_no_operation_changes_what_live_runs_depend_on(
    gateway: Any, tenant: Victim, trial: httpx.AsyncClient
) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    count = {"action": "cancel", "filter": {"parent": tenant.things["run"]}}
    token = (await tenant.client.post("/v1/runs/bulk/count", json=count)).json()["token"]
    before, asked = await rows(gateway), dict.fromkeys(TEST_KEYS.values(), 0)
    allowed = {"startRun", "rerunRun", "postEvents", "makeKey"}
    for method, path, operation in operations(document):
        name = operation["operationId"]
        if name not in TEST_KEYS or name in allowed:
            continue
        for which in (tenant.things, {**tenant.things, "run": tenant.things["ended"]}):
            answer = await send(trial, request_of(operation, method, path, which, token))
            where = f"{name}: {answer.status_code} {answer.text[:300]}"
            asked[TEST_KEYS[name]] += 1
            if TEST_KEYS[name] == "refused":
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), where
            elif name not in {"countBulk", "stepBulk", "simulateWorkflow", "previewTemplate", "linkArtifact"}:
                # `open` are keys of higher rank here, and a deployment; `runs` are live ones.
                assert answer.status_code == 403, where
    assert asked["refused"] > 15
    assert asked["runs"] > 10
    assert await rows(gateway) == before


async def test_what_it_starts_is_marked_and_found(
    gateway: Any, tenant: Victim, trial: httpx.AsyncClient
) -> None:
    path = "/v1/workflows/theirs/flow/runs"
    live = (await tenant.client.post(path, json=1)).json()
    made = (await trial.post(path, json=1)).json()
    again = (await trial.post(f"/v1/runs/{live['id']}/rerun", json={})).json()
    repeated = (await tenant.client.post(f"/v1/runs/{made['id']}/rerun", json={})).json()
    assert (live["test"], made["test"], again["test"], repeated["test"]) == (False, True, True, True)
    for run in (made, again, repeated):
        assert (await tenant.client.get(f"/v1/runs/{run['id']}")).json()["test"] is True
        assert await gateway.db.fetchval("select test from visapi.runs where id = $1", UUID(run["id"]))
    found = {
        wanted: [run["id"] for run in (await trial.get("/v1/runs", params={"test": wanted})).json()["items"]]
        for wanted in ("true", "false")
    }
    assert sorted(found["true"]) == sorted(run["id"] for run in (made, again, repeated))
    assert live["id"] in found["false"]
    assert not set(found["true"]) & set(found["false"])


async def test_it_commands_what_it_started(gateway: Any, tenant: Victim, trial: httpx.AsyncClient) -> None:
    run = (await trial.post("/v1/workflows/theirs/flow/runs", json=1)).json()["id"]
    for kind in ("suspend", "resume", "cancel"):
        assert (await trial.post(f"/v1/runs/{run}/{kind}", json={})).status_code == 202, kind
        refused = await trial.post(f"/v1/runs/{tenant.things['run']}/{kind}", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_a_bulk_command_means_test_runs(gateway: Any, tenant: Victim, trial: httpx.AsyncClient) -> None:
    wanted = {"action": "suspend", "filter": {"workflow": "theirs/flow"}}
    for _ in range(2):
        await trial.post("/v1/workflows/theirs/flow/runs", json=1)
    counted = (await trial.post("/v1/runs/bulk/count", json=wanted)).json()
    assert counted["count"] == 2
    live = (await tenant.client.post("/v1/runs/bulk/count", json=wanted)).json()
    assert live["count"] > 2
    stepped = (await trial.post("/v1/runs/bulk", json={**wanted, "token": live["token"]})).json()
    assert stepped["accepted"] == 2, "also by the token of a live key"
    told = await gateway.db.fetch(
        "select r.test from visapi.inbox i join visapi.runs r on r.id = i.run where i.kind = 'suspend'"
    )
    assert sum(row["test"] for row in told) == 2
    asked = {**wanted, "filter": {"workflow": "theirs/flow", "test": False}}
    assert (await trial.post("/v1/runs/bulk/count", json=asked)).status_code == 403


async def test_an_event_that_it_posts_is_marked_and_no_live_event_counts_as_its_repetition(
    gateway: Any, tenant: Victim, trial: httpx.AsyncClient
) -> None:
    event = {"specversion": "1.0", "type": "paid", "source": "/shop", "id": "one"}
    headers = {"Content-Type": "application/cloudevents+json"}
    for client in (trial, tenant.client):
        for duplicate in (False, True):
            answer = await client.post("/v1/events", json=event, headers=headers)
            assert answer.status_code == 202, answer.text
            assert answer.json()["items"] == [{"id": "one", "source": "/shop", "duplicate": duplicate}]
    found = await gateway.db.fetch(
        "select id, test, body from visapi.events_in where source = '/shop' order by id"
    )
    assert [(row["id"], row["test"]) for row in found] == [("one", False), ("visapi-test:one", True)]
    assert [json.loads(row["body"])["id"] for row in found] == ["one", "one"]


async def test_it_deploys_nothing_but_may_try(gateway: Any, tenant: Victim, trial: httpx.AsyncClient) -> None:
    refused = await trial.post("/v1/workflows", content=NEW, headers=YAML)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    tried = await trial.post("/v1/workflows?dry_run=true", content=NEW, headers=YAML)
    assert (tried.status_code, tried.json()["dry_run"]) == (200, True)


async def test_it_takes_no_idempotency_key_from_a_live_key(
    gateway: Any, tenant: Victim, trial: httpx.AsyncClient
) -> None:
    path, headers = "/v1/workflows/theirs/flow/runs", {"Idempotency-Key": "shared"}
    made = await trial.post(path, json=1, headers=headers)
    again = await trial.post(path, json=1, headers=headers)
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (made.json()["id"], "true")
    live = await tenant.client.post(path, json=1, headers=headers)
    assert (live.status_code, live.json()["test"]) == (202, False)
    assert live.json()["id"] != made.json()["id"]
    cancel = f"/v1/runs/{made.json()['id']}/cancel"
    assert (await trial.post(cancel, json={}, headers={"Idempotency-Key": "told"})).status_code == 202
    theirs = await tenant.client.post(
        f"/v1/runs/{live.json()['id']}/cancel", json={}, headers={"Idempotency-Key": "told"}
    )
    assert (theirs.status_code, "idempotent-replayed" in theirs.headers) == (202, False)
