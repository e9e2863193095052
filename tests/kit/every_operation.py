"""Every operation of the OpenAPI document as a request about somebody's things: for tests that walk all of them.

A new operation, parameter or body fails in those tests until it is said here what to put into it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

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
    "api_keys", "workflows", "runs", "runs_done", "history", "inbox", "idempotency", "dead_letters", "dead_letter_replays", "events_in",
    "rates", "usage_deltas", "run_attributes", "secrets", "schedules", "schedule_fires", "approvals", "audit", "retention_policies", "families",
    "hooks", "hook_secrets", "hook_deliveries", "hook_bodies", "hook_usage", "endpoints", "endpoint_secrets", "endpoint_news",
    "endpoint_messages", "accounts", "account_versions", "templates", "template_versions",
)  # fmt: skip
FORGED = "AAAAAAAAAAAwMTkwMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDA"
"""A cursor that nobody has signed."""


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
    template = {"kind": "email", "locales": {"en": {"text": HIDDEN}}, "description": HIDDEN}
    await sent("PUT", "/v1/templates/their-template", json=template)
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
    many = {"filter": {"reason": HIDDEN[:100]}, "reason": HIDDEN}
    replay = (await sent("POST", "/v1/dead-letters/replays", json=many))["id"]
    store = ArtifactStore.open((folder / "artifacts").as_uri())
    artifact = (await store.put("victim", HIDDEN.encode(), "txt", "text/plain")).id
    link = (await sent("POST", f"/v1/artifacts/{artifact}/links", json={"expires_in_s": 600}))["url"]
    hook, delivery, address, endpoint, message = await webhooks.plant(client, HIDDEN)
    things = {
        "replay": replay, "endpoint": endpoint.rpartition("/")[2], "message": message.rpartition("/")[2],
        "hook": hook.rpartition("/")[2], "delivery": delivery.rpartition("/")[2], "address": address, "run": run, "approval": str(approval), "letter": str(letter), "artifact": artifact, "key": key,
        "account": "theirs", "tenant": "victim", "rate": "theirs", "namespace": "theirs", "version": "1.0.0", "ended": ended, "problem": "not-found", "token": "nobodys",
        "template": "their-template", "number": "1",
    }  # fmt: skip
    return Victim(client, things, link)


async def known(gateway: Any, client: httpx.AsyncClient) -> None:
    async def answers() -> bool:
        return (await client.get("/v1/keys/current")).status_code == 200

    await gateway.until(answers)


async def rows(gateway: Any) -> dict[str, list[str]]:
    """Everything that the victim has, as it stands."""
    itself = await gateway.db.fetch("select * from visapi.tenants where id = 'victim'")
    return {"tenants": [str(dict(row)) for row in itself]} | {
        table: [
            str([(name, value) for name, value in row.items() if not name.startswith("last_used")])
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
        "resolved": None, "test": None, "type": None, "kind": None, "expires": None, "signature": None, "dry_run": None, "after": None,
        "verbose": None, "from": None, "to": None, "by": None, "name": "theirs", "delivery": None, "hub.mode": None, "hub.verify_token": None,
        "hub.challenge": None, "reason": None, "function": None,
    }[name]  # fmt: skip


def body_of(schema: str | None, operation: str, things: dict[str, str], token: str) -> Any:
    """The least body of each operation, with something of the victim's where one can stand."""
    wanted = {"action": "cancel", "filter": {"parent": things["run"]}}
    bodies: dict[str, Any] = {
        "DecideApproval": {"decision": "approve"}, "NewLink": {}, "ReplayDeadLetter": {}, "CountReplay": {"filter": {"workflow": "theirs/flow"}},
        "StartReplay": {"filter": {"workflow": "theirs/flow"}}, "EditDeadLetter": {"event": {"specversion": "1.0", "type": "theirs", "source": "/theirs", "id": "1"}},
        "RunCommand": {},
        "ResolveDeadLetter": {"decision": "fault"}, "NewKey": {"name": "mine"}, "RotateKey": {}, "Rerun": {},
        "Retry": {}, "SetRate": {"per_s": 5}, "SetNamedRate": {"keys": [], "per_s": 5}, "SetRetention": {"days": 30}, "BulkWanted": wanted, "BulkOrder": {**wanted, "token": token},
        "Backfill": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"},
        "ChangeKey": {"name": "mine"}, "DisableKey": {"reason": "x"}, "SimulateWorkflow": {"workflow": OWN}, "UpdateHook": {"enabled": False}, "RotateHook": {}, "ReplayHookDelivery": {},
        "NewHook": {"name": "theirs", "provider": "none"}, "UpdateEndpoint": {"enabled": False}, "RotateEndpoint": {},
        "PutAccount": {"kind": "slack", "credentials": {"token": "xoxb-attackers"}}, "RollBackAccount": {},
        "RotateAccount": {"credentials": {"token": "xoxb-attackers"}},
        "NewTenant": {"id": "victim"}, "SuspendTenant": {"reason": "x"}, "ResumeTenant": {}, "EraseTenant": {"tenant": things["tenant"], "reason": "x"}, "ReplayMessage": {}, "PreviewTemplate": {}, "NewTemplate": {"kind": "email", "locales": {"en": {"text": "of the attacker"}}},
        "NewEndpoint": {"name": "theirs", "url": "https://example.com/", "types": ["*"]},
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
    headers = {"If-Match": "*"} if method == "PATCH" else {}
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
    other = {
        name: str(uuid4())
        for name in (
            "run",
            "ended",
            "approval",
            "letter",
            "hook",
            "delivery",
            "endpoint",
            "message",
            "replay",
        )
    }
    turned = things["artifact"].translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
    kept = (
        turned.rpartition(".")[0] + "." + things["artifact"].rpartition(".")[2] if "." in turned else turned
    )
    other["address"] = things["address"][::-1]
    return {
        **things,
        **other,
        "artifact": kept,
        "key": things["key"][::-1],
        "tenant": "nobody",
        "namespace": "nobody",
        "account": "nobody",
    }


def ids_in(path: str) -> bool:
    """Whether a path names a thing that only its owner has; a secret or policy of one's own may have any name."""
    return "{" in path and not path.startswith(
        (
            "/v1/secrets/",
            "/v1/accounts/",
            "/v1/retention/",
            "/v1/rates/",
            "/v1/templates/",
            "/v1/workflows/{namespace}/{name}",
            "/problems/",
        )
    )
