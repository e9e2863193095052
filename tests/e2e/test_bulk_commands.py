"""Many runs at once, through the whole stack, with the gateway killed on the way."""

import asyncio
import contextlib
import os
import signal
import time

import httpx
import psutil

from kit.running_stack import RunningStack, view_of
from kit.stack import StackProcess
from visapi.client import ApiError, Client, UnreachableError, operations
from visapi_common.contracts.audit import AuditRecord
from visapi_common.contracts.bulk import BulkAction, BulkStep
from visapi_common.core.audit_chain import ChainCheck

_YAML = {"Content-Type": "application/yaml"}
WAITING = """
document: { dsl: "1.0.3", namespace: e2e, name: waiting, version: "1.0.0" }
do: [{ rest: { wait: { hours: 1 } } }]
"""
RECKON = """
document: { dsl: "1.0.3", namespace: e2e, name: reckon, version: "VERSION" }
do:
  - first: { set: { amount: "${ .amount }" } }
  - reckon: { set: { left: "${ .amount FIX - 1 }" } }
"""
RUNS = 250


async def start(client: httpx.AsyncClient, name: str, runs: int) -> list[str]:
    path = f"/v1/workflows/e2e/{name}/runs"
    made: list[str] = []
    for first in range(0, runs, 32):
        asked = (client.post(path) for _ in range(first, min(first + 32, runs)))
        made += [answer.json()["id"] for answer in await asyncio.gather(*asked)]
    return made


def gateway_of(stack: RunningStack) -> int:
    """The process that listens where the gateway does."""
    port = httpx.URL(stack.gateway).port
    for process in psutil.Process().children(recursive=True):
        # Engine processes come and go meanwhile.
        with contextlib.suppress(psutil.NoSuchProcess):
            places = process.net_connections("tcp")
            if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in places):
                return process.pid
    raise AssertionError(f"nobody listens on port {port}")


def carry_out(client: Client, bulk: operations.Bulk, token: str) -> list[BulkStep]:
    """All steps; one whose answer was lost is sent again."""
    steps: list[BulkStep] = []
    following: str | None = token
    until = time.monotonic() + 60
    while following is not None:
        try:
            steps.append(client.send(operations.step_bulk(bulk, following, "a wrong release")))
            following = steps[-1].next
        except (UnreachableError, ApiError):
            if time.monotonic() > until:
                raise
    return steps


def audit_of(client: Client, action: str | None = None) -> list[AuditRecord]:
    found: list[AuditRecord] = []
    cursor = None
    while True:
        page = client.send(operations.list_audit(action=action, limit=200, cursor=cursor))
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def all_are(client: Client, name: str, status: str, number: int) -> None:
    """Wait until so many runs of a workflow are in this state."""
    filters = operations.Filters(workflow=f"e2e/{name}", status=[status])
    until = time.monotonic() + 60
    while True:
        found, cursor = 0, None
        while True:
            page = client.send(operations.list_runs(limit=200, cursor=cursor, filters=filters))
            found, cursor = found + len(page.items), page.next
            if cursor is None:
                break
        if found == number:
            return
        assert time.monotonic() < until, f"{found} runs are {status}, not {number}"
        time.sleep(0.2)


async def test_a_gateway_killed_while_many_runs_are_cancelled_loses_none_and_tells_none_twice(
    stack: StackProcess,
):
    running = view_of(stack)
    async with running.client() as http:
        assert (await http.post("/v1/workflows", content=WAITING, headers=_YAML)).status_code == 201
        runs = await start(http, "waiting", RUNS)
        bulk = operations.Bulk(action=BulkAction.CANCEL, filters=operations.Filters(workflow="e2e/waiting"))
        with Client(running.gateway, running.api_key) as client:
            counted = client.send(operations.count_bulk(bulk))
            assert counted.count == RUNS

            process = gateway_of(running)

            async def kill() -> None:
                await asyncio.sleep(0.02)
                os.kill(process, signal.SIGKILL)

            async with asyncio.TaskGroup() as group:
                group.create_task(kill())
                steps = group.create_task(asyncio.to_thread(carry_out, client, bulk, counted.token))
            assert steps.result()[-1].next is None
            assert not psutil.pid_exists(process)
            all_are(client, "waiting", "cancelled", RUNS)
            told = audit_of(client, "run.cancel")
            assert sorted(row.target for row in told) == sorted(f"run:{run}" for run in runs)
            check = ChainCheck()
            for row in audit_of(client):
                check.take(row)
            assert check.end() is None
        for run in runs[:20]:
            items = (await http.get(f"/v1/runs/{run}/history", params={"limit": 200})).json()["items"]
            assert [item["type"] for item in items].count("workflow.cancelled") == 1


async def test_all_faulted_runs_go_on_under_the_version_that_mends_them(stack: StackProcess):
    running = view_of(stack)
    async with running.client() as http:
        for version, fix in (("1.0.0", ""), ("1.1.0", "| tonumber")):
            source = RECKON.replace("VERSION", version).replace("FIX", fix)
            deployed = await http.post("/v1/workflows", content=source, headers=_YAML)
            assert deployed.status_code == 201, deployed.text
        path = "/v1/workflows/e2e/reckon/runs?version=1.0.0"
        hopeless = (await http.post(path, json={"amount": [1]})).json()["id"]
        mendable = [(await http.post(path, json={"amount": "3"})).json()["id"] for _ in range(12)]
        bulk = operations.Bulk(
            action=BulkAction.RETRY, filters=operations.Filters(workflow="e2e/reckon"), version="1.1.0"
        )
        with Client(running.gateway, running.api_key) as client:
            all_are(client, "reckon", "faulted", 13)
            counted = client.send(operations.count_bulk(bulk))
            assert counted.count == 13
            assert [step.accepted for step in carry_out(client, bulk, counted.token)] == [13]
            all_are(client, "reckon", "completed", 12)
            all_are(client, "reckon", "faulted", 1)
            # The one that faulted again did so after the count: the same token leaves it alone.
            again = carry_out(client, bulk, counted.token)
            assert [(step.accepted, len(step.refused)) for step in again] == [(0, 1)]
            assert str(again[0].refused[0].run) == hopeless
            assert len(audit_of(client, "run.retry")) == 13
        for run in mendable:
            view = (await http.get(f"/v1/runs/{run}")).json()
            assert (view["output"], view["workflow"]["version"]) == ({"left": 2}, "1.1.0")
