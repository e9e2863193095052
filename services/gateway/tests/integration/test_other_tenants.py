"""A tenant asks for everything of another one: each operation of the OpenAPI document, with the ids of the other in
its path, query, body and headers.

Nothing of the other tenant is shown, nothing of it changes, and whatever exists there is answered like what exists
nowhere. A new operation, parameter or body fails here until it is said what to put into it.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from kit import webhooks
from visapi_common.adapters.artifacts import ArtifactStore
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry

HIDDEN = "hidden-7f3a9c"
"""Stands in whatever the victim has written; the attacker never sends it."""
YAML = {"Content-Type": "application/yaml"}
DEFINITION = f"""
document: {{dsl: '1.0.3', namespace: theirs, name: flow, version: '1.0.0', title: {HIDDEN}}}
schedule: {{every: {{days: 300}}}}
do: [{{a: {{set: {{text: {HIDDEN}}}}}}}]
"""
OWN = """
document: {dsl: '1.0.3', namespace: ours, name: flow, version: '1.0.0'}
do: [{a: {set: {n: 1}}}]
"""
TABLES = (
    "api_keys", "workflows", "runs", "runs_done", "history", "inbox", "idempotency", "dead_letters", "events_in",
    "rates", "run_attributes", "secrets", "schedules", "schedule_fires", "approvals", "audit", "retention_policies", "families",
    "hooks", "hook_secrets", "hook_deliveries", "hook_bodies", "hook_usage",
)  # fmt: skip
FORGED = "AAAAAAAAAAAwMTkwMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDA"
"""A cursor that nobody has signed."""
REFUSED = {400, 401, 403, 404, 409, 410, 422}


class Victim:
    """What the other tenant has: one of everything, by the names that the document gives to parameters."""

    def __init__(self, client: httpx.AsyncClient, things: dict[str, str], link: str) -> None:
        self.client = client
        self.things = things
        self.link = link


async def plant(gateway: Any, client: httpx.AsyncClient, folder: Path) -> Victim:
    async def sent(method: str, path: str, **more: Any) -> Any:
        answer = await client.request(method, path, **more)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json() if answer.content else None

    await sent("POST", "/v1/workflows", content=DEFINITION, headers=YAML)
    runs = "/v1/workflows/theirs/flow/runs"
    run = (await sent("POST", runs, json={"text": HIDDEN}, headers={"Idempotency-Key": "one-key"}))["id"]
    ended = (await sent("POST", runs, json={"text": HIDDEN}))["id"]
    await gateway.progress(run, ["workflow.started"])
    await gateway.progress(ended, ["workflow.started", "workflow.faulted"], status="faulted")
    await sent(
        "POST", f"/v1/runs/{run}/suspend", json={"reason": HIDDEN}, headers={"Idempotency-Key": "two-key"}
    )
    await sent("PUT", "/v1/secrets/their-secret", json=HIDDEN)
    await sent("PUT", "/v1/retention/theirs", json={"days": 30})
    key = (await sent("POST", "/v1/keys", json={"name": HIDDEN}))["id"]
    await sent("PUT", "/v1/rates/theirs", json={"keys": [key], "per_s": 9, "reason": HIDDEN})
    await sent("PUT", f"/v1/keys/{key}/rate", json={"per_s": 9})
    event = {"specversion": "1.0", "type": "theirs", "source": "/theirs", "id": "1", "data": HIDDEN}
    await sent("POST", "/v1/events", json=event, headers={"Content-Type": "application/cloudevents+json"})
    approval = uuid4()
    shown = {"title": HIDDEN, "text": "", "data": None, "choices": ["approve", "reject"]}
    await gateway.orchestrator.ask(UUID(run), approval, shown, approvers=["anybody"], keys=[b"\x00"])
    letter = await gateway.orchestrator.set_aside(
        DeadLetterEntry(
            kind="event",
            tenant="victim",
            reason="bad-event",
            detail=HIDDEN,
            item=("/theirs", "1"),
            body=HIDDEN.encode(),
        )
    )
    store = ArtifactStore.open((folder / "artifacts").as_uri())
    artifact = (await store.put("victim", HIDDEN.encode(), "txt", "text/plain")).id
    link = (await sent("POST", f"/v1/artifacts/{artifact}/links", json={"expires_in_s": 600}))["url"]
    hook, delivery, address = await webhooks.plant(client, HIDDEN)
    things = {
        "hook": hook.rpartition("/")[2], "delivery": delivery.rpartition("/")[2], "address": address, "run": run, "approval": str(approval), "letter": str(letter), "artifact": artifact, "key": key,
        "rate": "theirs", "namespace": "theirs", "version": "1.0.0", "ended": ended, "token": "nobodys",
    }  # fmt: skip
    return Victim(client, things, link)


@pytest.fixture
async def victim(gateway: Any, tmp_path: Path) -> AsyncIterator[Victim]:
    async with gateway.client(await gateway.key("victim")) as client:
        await known(gateway, client)
        yield await plant(gateway, client, tmp_path)


@pytest.fixture
async def attacker(gateway: Any, victim: Victim) -> AsyncIterator[httpx.AsyncClient]:
    """A key of kind `admin`: whatever a tenant's key can be allowed."""
    async with gateway.client(await gateway.key("attacker", kind="admin")) as client:
        await known(gateway, client)
        answer = await client.post("/v1/workflows", content=OWN, headers=YAML)
        assert answer.status_code == 201, answer.text
        yield client


async def known(gateway: Any, client: httpx.AsyncClient) -> None:
    assert (await gateway.http.post("/v1/keys", json={"name": "makes the gateway read its keys"})).is_success

    async def answers() -> bool:
        return (await client.get("/v1/keys/current")).status_code == 200

    await gateway.until(answers)


async def rows(gateway: Any) -> dict[str, list[str]]:
    """Everything that the victim has, as it stands."""
    return {
        table: [
            str([(name, value) for name, value in row.items() if name != "last_used_at"])
            for row in await gateway.db.fetch(
                f"select * from visapi.{table} where tenant = 'victim' order by 1, 2, 3"
            )
        ]
        for table in TABLES
    }


def path_value(operation: str, name: str, things: dict[str, str]) -> str:
    if name == "name":
        return "their-secret" if "Secret" in operation else "flow"
    return things[name]


def query_value(operation: str, name: str, things: dict[str, str]) -> str | None:
    """A value that names something of the victim's; None where a parameter cannot."""
    return {
        "workflow": "theirs/flow", "schedule": "theirs/flow", "parent": things["run"], "run": things["run"],
        "namespace": "theirs", "q": things["run"][:18], "target": f"run:{things['run']}", "actor": f"key:{things['key']}",
        "tenant": "victim", "version": "1.0.0", "state": None, "limit": None, "cursor": None, "status": None,
        "created_after": None, "created_before": None, "attribute": None, "action": None, "since": None, "until": None,
        "resolved": None, "kind": None, "expires": None, "signature": None, "dry_run": None, "after": None,
        "verbose": None, "name": "theirs", "delivery": None, "hub.mode": None, "hub.verify_token": None,
        "hub.challenge": None,
    }[name]  # fmt: skip


def body_of(schema: str | None, operation: str, things: dict[str, str], token: str) -> Any:
    """The least body of each operation, with something of the victim's where one can stand."""
    wanted = {"action": "cancel", "filter": {"parent": things["run"]}}
    bodies: dict[str, Any] = {
        "DecideApproval": {"decision": "approve"}, "NewLink": {}, "ReplayDeadLetter": {}, "RunCommand": {},
        "ResolveDeadLetter": {"decision": "fault"}, "NewKey": {"name": "mine"}, "RotateKey": {}, "Rerun": {},
        "Retry": {}, "SetRate": {"per_s": 5}, "SetNamedRate": {"keys": [], "per_s": 5}, "SetRetention": {"days": 30}, "BulkWanted": wanted, "BulkOrder": {**wanted, "token": token},
        "Backfill": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"},
        "SimulateWorkflow": {"workflow": OWN}, "UpdateHook": {"enabled": False}, "RotateHook": {}, "ReplayHookDelivery": {},
        "NewHook": {"name": "theirs", "provider": "none"},
    }  # fmt: skip
    free: dict[str, Any] = {
        "startRun": {"n": 1}, "putSecret": "a value of the attacker's", "deployWorkflow": OWN,
        "postEvents": {"specversion": "1.0", "type": "theirs", "source": "/theirs", "id": "1"},
        "submitApprovalPage": {"decision": "approve"}, "receiveWebhook": {"text": "not signed"},
    }  # fmt: skip
    return free[operation] if schema is None else bodies[schema]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in {"get", "put", "post", "delete", "patch"}:
                yield method.upper(), path, operation


def request_of(
    operation: dict[str, Any], method: str, path: str, things: dict[str, str], token: str
) -> httpx.Request:
    name = operation["operationId"]
    for part in re.findall(r"{(\w+)}", path):
        path = path.replace(f"{{{part}}}", path_value(name, part, things))
    content = operation.get("requestBody", {}).get("content", {})
    headers: dict[str, str] = {}
    body = b""
    if content:
        headers["Content-Type"], schema = next(iter(content.items()))
        reference = schema.get("schema", {}).get("$ref")
        value = body_of(reference and reference.rpartition("/")[2], name, things, token)
        body = value.encode() if name == "deployWorkflow" else json.dumps(value).encode()
        if name == "deployWorkflow":
            headers["Content-Type"] = "application/yaml"
    return httpx.Request(method, f"http://gateway{path}", headers=headers, content=body)


async def send(client: httpx.AsyncClient, request: httpx.Request, **more: Any) -> httpx.Response:
    headers = {**request.headers, **more.pop("headers", {})}
    headers.pop("host", None)
    return await client.request(
        request.method, request.url.path, content=request.content, headers=headers, **more
    )


def likeness(answer: httpx.Response, things: dict[str, str]) -> tuple[int, str]:
    """An answer without the names that were sent: how it looks to whoever compares."""
    text = answer.text
    for value in sorted({*things.values(), "flow", "their-secret"}, key=len, reverse=True):
        text = text.replace(value, "…")
    return answer.status_code, re.sub(r'"request_id":"[^"]+"', "", text)


def nowhere(things: dict[str, str]) -> dict[str, str]:
    """The same, of what does not exist; names as long as the others."""
    other = {name: str(uuid4()) for name in ("run", "ended", "approval", "letter", "hook", "delivery")}
    turned = things["artifact"].translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
    kept = (
        turned.rpartition(".")[0] + "." + things["artifact"].rpartition(".")[2] if "." in turned else turned
    )
    other["address"] = things["address"][::-1]
    return {**things, **other, "artifact": kept, "key": things["key"][::-1], "namespace": "nobody"}


async def test_no_operation_shows_or_changes_anything_of_another_tenant(
    gateway: Any, victim: Victim, attacker: httpx.AsyncClient
) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    count = {"action": "cancel", "filter": {"parent": victim.things["run"]}}
    token = (await victim.client.post("/v1/runs/bulk/count", json=count)).json()["token"]
    before = await rows(gateway)
    assert all(
        before[table] for table in TABLES if table not in {"run_attributes", "schedule_fires", "families"}
    )
    things, asked = victim.things, 0
    for method, path, operation in operations(document):
        name = operation["operationId"]
        if operation.get("security") == [] and "{" not in path:
            continue
        queries = [None] + [
            {parameter["name"]: value}
            for parameter in operation.get("parameters", [])
            if parameter.get("in") == "query"
            and (value := query_value(name, parameter["name"], things)) is not None
        ]
        for which in (things, {**things, "run": things["ended"]}):
            for query in queries:
                request = request_of(operation, method, path, which, token)
                answer = await send(attacker, request, params=query)
                asked += 1
                where = f"{method} {path} {query}: {answer.status_code} {answer.text[:500]}"
                assert answer.status_code < 500, where
                assert HIDDEN not in answer.text, where
                if query is None and ids_in(path):
                    assert answer.status_code in REFUSED, where
                    other = nowhere(which)
                    again = await send(attacker, request_of(operation, method, path, other, token))
                    assert likeness(answer, which) == likeness(again, other), where
    assert asked > 100
    assert await rows(gateway) == before


def ids_in(path: str) -> bool:
    """Whether a path names a thing that only its owner has; a secret or policy of one's own may have any name."""
    return "{" in path and not path.startswith(
        ("/v1/secrets/", "/v1/retention/", "/v1/rates/", "/v1/workflows/{namespace}/{name}")
    )


async def test_names_that_both_use_are_each_ones_own(
    gateway: Any, victim: Victim, attacker: httpx.AsyncClient
) -> None:
    before = await rows(gateway)
    assert (await attacker.get("/v1/workflows/theirs/flow")).status_code == 404
    assert (await attacker.post("/v1/workflows/theirs/flow/runs", json=1)).status_code == 404
    assert (await attacker.delete("/v1/secrets/their-secret")).status_code == 404
    assert (await attacker.delete("/v1/retention/theirs")).status_code == 404
    same = OWN.replace("namespace: ours", "namespace: theirs")
    assert (await attacker.post("/v1/workflows", content=same, headers=YAML)).status_code == 201
    assert (
        await attacker.put("/v1/secrets/their-secret", json="a value of the attacker's")
    ).status_code == 201
    assert (await attacker.put("/v1/retention/theirs", json={"days": 365})).status_code == 200
    started = await attacker.post(
        "/v1/workflows/theirs/flow/runs", json={"n": 1}, headers={"Idempotency-Key": "one-key"}
    )
    assert (started.status_code, started.headers.get("idempotent-replayed")) == (202, None)
    told = await attacker.post(
        f"/v1/runs/{started.json()['id']}/suspend", json={}, headers={"Idempotency-Key": "two-key"}
    )
    assert (told.status_code, told.headers.get("idempotent-replayed")) == (202, None)
    assert await rows(gateway) == before


async def test_cursors_links_and_places_of_a_stream_open_nothing_of_another_tenant(
    gateway: Any, victim: Victim, attacker: httpx.AsyncClient
) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    for method, path, operation in operations(document):
        lists = {parameter.get("name") for parameter in operation.get("parameters", [])} >= {
            "cursor",
            "limit",
        }
        if not lists or "{" in path:
            continue
        first = await victim.client.request(method, path, params={"limit": 1})
        cursor = first.json()["next"] or FORGED
        answer = await attacker.get(path, params={"limit": 1, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), path
    link = urlsplit(victim.link)
    query = dict(parse_qsl(link.query))
    signature = query["signature"]
    other = ("1" if signature[0] == "0" else "0") + signature[1:]
    for spoiled in ({**query, "tenant": "attacker"}, {**query, "signature": other}):
        assert (await attacker.get(link.path, params=spoiled)).status_code in {403, 404}
    run = victim.things["run"]
    for place in ("0", "1", "-1", "9" * 30, "\xa0", run):
        headers = {"Accept": "text/event-stream", "Last-Event-ID": place.encode("latin-1")}
        answer = await attacker.get(f"/v1/runs/{run}/history", headers=headers)
        assert answer.status_code in {400, 404}, answer.text
        assert HIDDEN not in answer.text


async def test_no_header_says_whose_a_request_is(
    gateway: Any, victim: Victim, attacker: httpx.AsyncClient
) -> None:
    path = f"/v1/runs/{victim.things['run']}"
    for name in (
        "X-Tenant",
        "X-Visapi-Tenant",
        "Tenant",
        "X-Forwarded-User",
        "X-Original-URL",
        "X-HTTP-Method-Override",
    ):
        for value in ("victim", path, "default"):
            answer = await attacker.get(path, headers={name: value})
            assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")
