"""Webhooks on the whole stack: a push of GitHub starts a workflow, an event of Stripe resumes a run that waits."""

import json
import time
from pathlib import Path
from typing import Any

import httpx

from e2e.test_schedules_and_events import YAML, deploy, ended, listens, text
from kit import webhooks
from kit.running_stack import database, running_stack
from kit.waiting import eventually

WAITING = """
document: {dsl: '1.0.3', namespace: auto, name: payment, version: '1.0.0'}
do:
  - paid:
      listen:
        to:
          one:
            with: {type: hook.stripe.payment_intent.succeeded, visapihook: HOOK}
            correlate: {payment: {from: .data.data.object.id, expect: '${ .payment }'}}
  - thank: {set: {amount: '${ .[0].data.object.amount }'}}
"""
SECRET = "whsec_a-secret-that-stripe-shows"


async def hook(client: httpx.AsyncClient, name: str, provider: str, **more: Any) -> dict[str, Any]:
    made = await client.post("/v1/hooks", json={"name": name, "provider": provider, **more})
    assert made.status_code == 201, made.text
    return made.json()


async def test_webhooks_start_and_resume_workflows_once(tmp_path: Path):
    async with running_stack(tmp_path, {}) as stack, stack.client() as client:
        rows = await database(tmp_path / "data", "visapi_orchestrator")
        try:
            on_push = "{on: {one: {with: {type: hook.github.push}}}}"
            await deploy(client, text("build", on_push, "[{s: {set: {of: '${ .[0].data.after }'}}}]"))
            await listens(rows, "build")
            async with httpx.AsyncClient(base_url=stack.gateway, trust_env=False) as provider:
                await pushed(client, provider)
                await paid(client, provider)
        finally:
            await rows.close()


async def pushed(client: httpx.AsyncClient, github: httpx.AsyncClient) -> None:
    code = await hook(client, "code", "github")
    took: list[float] = []
    for number in range(10):
        body = json.dumps({"after": f"commit-{number}"}).encode()
        headers = webhooks.github(code["secret"], body, delivery=f"d-{number}")
        for duplicate in (False, True):
            began = time.perf_counter()
            answer = await github.post(code["path"], content=body, headers=headers)
            took.append(time.perf_counter() - began)
            assert (answer.status_code, answer.json()["duplicate"]) == (202, duplicate)
    runs = await ended(client, "build", 10)
    assert sorted(run["output"]["of"] for run in runs) == [f"commit-{number}" for number in range(10)]
    print(f"a webhook was answered within {max(took) * 1000:.0f} ms")
    assert max(took) < 1
    replay = (await client.get(code["links"]["deliveries"])).json()["items"][0]["links"]["replay"]
    assert (await client.post(replay)).status_code == 202
    assert len(await ended(client, "build", 11)) == 11


async def paid(client: httpx.AsyncClient, stripe: httpx.AsyncClient) -> None:
    pay = await hook(client, "pay", "stripe", secret=SECRET)
    definition = WAITING.replace("HOOK", pay["id"])
    assert (await client.post("/v1/workflows", content=definition, headers=YAML)).status_code == 201
    run = (await client.post("/v1/workflows/auto/payment/runs", json={"payment": "pi_7"})).json()["id"]

    async def status() -> str:
        return (await client.get(f"/v1/runs/{run}")).json()["status"]

    async def waits() -> bool:
        return await status() == "waiting"

    await eventually(waits)
    event = {
        "id": "evt_7",
        "type": "payment_intent.succeeded",
        "data": {"object": {"id": "pi_7", "amount": 4000}},
    }
    # Whoever may post events cannot be Stripe.
    forged = {
        "specversion": "1.0", "id": "evt_0", "source": "/elsewhere", "type": "hook.stripe.payment_intent.succeeded",
        "visapihook": pay["id"], "data": event,
    }  # fmt: skip
    posted = await client.post(
        "/v1/events", json=forged, headers={"content-type": "application/cloudevents+json"}
    )
    assert posted.status_code == 202
    for payment in ("pi_8", "pi_7"):
        event["id"], event["data"] = f"evt_{payment}", {"object": {"id": payment, "amount": 4000}}
        body = json.dumps(event).encode()
        headers = webhooks.stripe(SECRET, body, at=time.time())
        assert (await stripe.post(pay["path"], content=body, headers=headers)).status_code == 202

    async def ended_run() -> Any:
        found = (await client.get(f"/v1/runs/{run}")).json()
        return found if found["status"] == "completed" else None

    assert (await eventually(ended_run))["output"] == {"amount": 4000}
