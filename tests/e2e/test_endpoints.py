"""Webhooks out of the whole stack: what happens to runs and what events come is sent to the endpoints that asked, signed,
once for each, and again where it fails or somebody asks.
"""

from pathlib import Path
from typing import Any

import httpx

from e2e.test_schedules_and_events import YAML, text
from kit.endpoint_receiver import EndpointReceiver, Received, endpoint_receiver
from kit.running_stack import running_stack
from kit.waiting import eventually

SETTINGS = {"VISAPI_EGRESS_ALLOW": "127.0.0.0/8"}


async def endpoint(
    client: httpx.AsyncClient, receiver: EndpointReceiver, name: str, *types: str, **more: Any
) -> dict[str, Any]:
    wanted = {"name": name, "url": receiver.url(f"/{name}"), "types": list(types), **more}
    made = await client.post("/v1/endpoints", json=wanted)
    assert made.status_code == 201, made.text
    receiver.secrets[f"/{name}"] = made.json()["secret"]
    return made.json()


async def came(receiver: EndpointReceiver, path: str, number: int) -> list[Received]:
    async def all_of_them() -> list[Received] | None:
        found = receiver.at(path)
        return found if len(found) >= number else None

    found = await eventually(all_of_them, within_s=20)
    assert all(one.valid for one in found)
    return found


async def test_endpoints_hear_of_runs_and_events(tmp_path: Path):
    async with (
        endpoint_receiver() as receiver,
        running_stack(tmp_path, SETTINGS) as stack,
        stack.client() as client,
    ):
        await endpoint(client, receiver, "runs", "run.*", filter={"workflows": ["auto/told"]})
        await endpoint(client, receiver, "events", "event.order.*", filter={"sources": ["/shop"]})
        await heard(client, receiver)
        await pinged(client, receiver)
        await tried_again(client, receiver)


async def heard(client: httpx.AsyncClient, receiver: EndpointReceiver) -> None:
    runs: dict[str, str] = {}
    for name in ("told", "silent"):
        definition = text(name, "", "[{s: {set: {n: 7}}}]").replace("schedule: \n", "")
        assert (await client.post("/v1/workflows", content=definition, headers=YAML)).status_code == 201
        runs[name] = (await client.post(f"/v1/workflows/auto/{name}/runs", json={})).json()["id"]
    started, completed = await came(receiver, "/runs", 2)
    assert (started.type, completed.type) == ("run.started", "run.completed")
    data = completed.body["data"]
    assert (data["run"], data["output"]) == (runs["told"], {"n": 7})
    assert data["workflow"] == {"namespace": "auto", "name": "told", "version": "1.0.0"}
    for source in ("/shop", "/elsewhere"):
        event = {
            "specversion": "1.0",
            "id": "1",
            "source": source,
            "type": "order.paid",
            "data": {"amount": 4},
        }
        headers = {"Content-Type": "application/cloudevents+json"}
        assert (await client.post("/v1/events", json=event, headers=headers)).status_code == 202
    [paid] = await came(receiver, "/events", 1)
    assert paid.type == "event.order.paid"
    assert (paid.body["data"]["source"], paid.body["data"]["data"]) == ("/shop", {"amount": 4})
    assert len({one.id for one in receiver.received}) == len(receiver.received) == 3


async def pinged(client: httpx.AsyncClient, receiver: EndpointReceiver) -> None:
    tried = await endpoint(client, receiver, "tried", "task.faulted")
    ping = await client.post(tried["links"]["ping"])
    assert ping.status_code == 202, ping.text
    [first] = await came(receiver, "/tried", 1)
    assert (first.type, first.id) == ("endpoint.ping", ping.json()["id"])

    async def delivered() -> dict[str, Any] | None:
        message = (await client.get(ping.json()["links"]["self"])).json()
        return message if message["state"] == "delivered" else None

    message = await eventually(delivered)
    [attempt] = message["log"]
    assert (attempt["number"], attempt["status"], attempt["response"]) == (1, 200, "ok")
    assert message["body"] == first.body
    rotated = await client.post(tried["links"]["rotate"], json={"overlap_s": 60})
    assert rotated.status_code == 200, rotated.text
    assert (await client.post(message["links"]["replay"], json={})).status_code == 202
    # The old secret signs still, beside the new one.
    _, again = await came(receiver, "/tried", 2)
    assert again.id == first.id
    receiver.secrets["/tried"] = rotated.json()["secret"]
    assert (await client.post(message["links"]["replay"], json={})).status_code == 202
    assert len(await came_valid(receiver, "/tried", 3)) == 3


async def came_valid(receiver: EndpointReceiver, path: str, number: int) -> list[Received]:
    found = await came(receiver, path, number)
    return [one for one in found if one.valid]


async def tried_again(client: httpx.AsyncClient, receiver: EndpointReceiver) -> None:
    """A receiver that fails is sent the same webhook again; one that is gone is disabled, and the tenant hears of it."""
    await endpoint(client, receiver, "notices", "event.endpoint.disabled")
    weak = await endpoint(client, receiver, "weak", "run.completed")
    receiver.answers["/weak"] = lambda one: (500, "") if len(receiver.at("/weak")) == 1 else (200, "")
    gone = await endpoint(client, receiver, "gone", "run.completed")
    receiver.answers["/gone"] = lambda _: (410, "")
    assert (await client.post("/v1/workflows/auto/silent/runs", json={})).status_code == 202
    first, second = await came(receiver, "/weak", 2)
    assert first.id == second.id
    assert 4 < second.at - first.at < 10
    [notice] = await came(receiver, "/notices", 1)
    assert (notice.body["data"]["data"]["endpoint"], notice.body["data"]["data"]["reason"]) == (
        gone["id"],
        "gone",
    )
    read = (await client.get(gone["links"]["self"])).json()
    assert (read["enabled"], read["disabled_reason"]) == (False, "gone")
    assert (await client.get(weak["links"]["self"])).json()["enabled"]
    refused = await client.post(gone["links"]["ping"])
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
