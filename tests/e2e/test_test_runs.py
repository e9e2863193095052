"""A test run on a whole stack, beside the same run of a live key: nobody outside hears of the first."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kit.running_stack import RunningStack, running_stack
from kit.waiting import eventually
from visapi.stack.standins.http_server import HttpServer, Request, Response
from visapi.stack.standins.smtp_sink import SmtpSink

YAML = {"Content-Type": "application/yaml"}
PARENT = """
document: {dsl: '1.0.3', namespace: trial, name: parent, version: '1.0.0'}
do:
  - print: {call: pdf.render, with: {html: '<h1>Ada</h1>'}}
  - mail: {call: notify.email, with: {to: ada@example.com, subject: '${ "parent \\(.id // "") " + $workflow.id }', text: Hi}}
  - hook: {call: notify.webhook, with: {url: 'http://127.0.0.1:HOOK/hook', payload: {a: 1}}}
  - read: {call: http, with: {method: get, endpoint: 'http://127.0.0.1:HOOK/read'}}
  - write: {call: http, with: {method: post, endpoint: 'http://127.0.0.1:HOOK/write', body: {a: 1}, output: response}}
  - child: {run: {workflow: {namespace: trial, name: child, version: '1.0.0'}}}
  - tell: {emit: {event: {with: {source: /trial, type: trial.told}}}}
"""
CHILD = """
document: {dsl: '1.0.3', namespace: trial, name: child, version: '1.0.0'}
do:
  - mail: {call: notify.email, with: {to: bob@example.com, subject: child, text: Hi}}
"""
LISTENER = """
document: {dsl: '1.0.3', namespace: trial, name: listener, version: '1.0.0'}
schedule: {on: {one: {with: {type: trial.told}}}}
do: [{mail: {call: notify.email, with: {to: eve@example.com, subject: listener, text: Hi}}}]
"""
WAITER = """
document: {dsl: '1.0.3', namespace: trial, name: waiter, version: '1.0.0'}
do: [{wait: {listen: {to: {one: {with: {type: trial.told}}}}}}]
"""

HEARD = ["GET /read", "GET /read", "POST /events", "POST /hook", "POST /runs", "POST /write"]
"""The requests of a test run, which only reads, and of a live one, with those to the endpoints of the tenant."""


class World:
    """A stack, the mails and webhooks that left it, and clients with a live and a test key."""

    def __init__(self, stack: RunningStack, mails: SmtpSink, hooks: list[Request]) -> None:
        self.stack = stack
        self.mails = mails
        self.hooks = hooks
        self.live = stack.client()
        self.trial = stack.client()

    async def start(self, client: httpx.AsyncClient, name: str) -> dict[str, Any]:
        headers = {"Prefer": "wait=30"}
        answer = await client.post(f"/v1/workflows/trial/{name}/runs", json={}, headers=headers)
        assert answer.status_code in {200, 202}, answer.text
        return answer.json()

    async def outputs(self, run: str) -> dict[str, Any]:
        """The outputs of the tasks of a run, by name."""
        items = (await self.live.get(f"/v1/runs/{run}/history")).json()["items"]
        return {
            item["task"]["name"]: item["data"]["output"]
            for item in items
            if item["type"] == "task.completed" and "output" in item.get("data", {})
        }

    def recipients(self) -> list[str]:
        return sorted(mail.recipients[0] for mail in self.mails.received)

    def requests(self) -> list[str]:
        return sorted(f"{request.method} {request.target}" for request in self.hooks)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    mails, hooks = SmtpSink(), list[Request]()

    async def take(request: Request) -> Response:
        hooks.append(request)
        return Response(200)

    server = HttpServer(take)
    url = await server.start()
    settings = {"VISAPI_SMTP_URL": await mails.start(), "VISAPI_EGRESS_ALLOW": "127.0.0.0/8"}
    async with running_stack(tmp_path, settings) as stack:
        world = World(stack, mails, hooks)
        for source in (PARENT.replace("http://127.0.0.1:HOOK", url), CHILD, LISTENER, WAITER):
            answer = await world.live.post("/v1/workflows", content=source, headers=YAML)
            assert answer.status_code == 201, answer.text
        for name, types, more in (
            ("runs", ["run.completed"], {"filter": {"workflows": ["trial/parent"]}}),
            ("events", ["event.trial.*"], {}),
        ):
            wanted = {"name": name, "url": f"{url}/{name}", "types": types, **more}
            answer = await world.live.post("/v1/endpoints", json=wanted)
            assert answer.status_code == 201, answer.text
        made = (await world.live.post("/v1/keys", json={"name": "trial", "kind": "test"})).json()["key"]
        world.trial.headers["Authorization"] = f"Bearer {made}"
        yield world
        await world.live.aclose()
        await world.trial.aclose()
    await server.stop()
    await mails.stop()


async def test_nobody_outside_hears_of_a_test_run(world: World) -> None:
    """The same run of a live key afterwards reaches everybody, once."""
    waiting = {
        name: (await client.post("/v1/workflows/trial/waiter/runs", json={})).json()["id"]
        for name, client in (("live", world.live), ("test", world.trial))
    }

    async def status(of: str) -> str:
        return (await world.live.get(f"/v1/runs/{waiting[of]}")).json()["status"]

    async def both_wait() -> bool:
        return [await status("live"), await status("test")] == ["waiting", "waiting"]

    async def heard(of: str) -> bool:
        return await status(of) == "completed"

    await eventually(both_wait)
    run = await world.start(world.trial, "parent")
    assert (run["status"], run["test"]) == ("completed", True), run
    await eventually(lambda: heard("test"))
    assert await status("live") == "waiting"
    children = (await world.live.get("/v1/runs", params={"parent": run["id"]})).json()["items"]
    assert [(child["workflow"]["name"], child["test"]) for child in children] == [("child", True)]
    outputs = await world.outputs(run["id"])
    assert (outputs["mail"]["test"], outputs["mail"]["accepted"]) == (True, ["ada@example.com"])
    assert outputs["hook"]["test"] is True
    assert (outputs["write"]["statusCode"], outputs["write"]["content"]) == (200, {"test": True})
    assert "application/pdf" in str(outputs["print"])
    assert (world.recipients(), world.requests()) == ([], ["GET /read"])

    again = await world.start(world.live, "parent")
    assert (again["status"], again["test"]) == ("completed", False), again
    await eventually(lambda: len(world.recipients()) >= 3)
    assert world.recipients() == ["ada@example.com", "bob@example.com", "eve@example.com"]
    await eventually(lambda: len(world.requests()) >= len(HEARD), within_s=20)
    assert world.requests() == HEARD
    await eventually(lambda: heard("live"))
    started = (await world.live.get("/v1/runs", params={"workflow": "trial/listener"})).json()["items"]
    assert [run["test"] for run in started] == [False]
