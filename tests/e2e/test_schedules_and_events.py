"""Workflows that start by themselves, over HTTP: at times, and on events."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from kit.running_stack import database, running_stack
from kit.waiting import eventually

YAML = {"content-type": "application/yaml"}


def text(name: str, schedule: str, do: str, version: str = "1.0.0", metadata: str = "") -> str:
    more = f", metadata: {{visapi: {{schedule: {metadata}}}}}" if metadata else ""
    return (
        f"document: {{dsl: '1.0.3', namespace: auto, name: {name}, version: '{version}'{more}}}\n"
        f"schedule: {schedule}\ndo: {do}\n"
    )


async def ended(client: httpx.AsyncClient, name: str, count: int = 1) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        page = await client.get("/v1/runs", params={"workflow": f"auto/{name}", "status": "completed"})
        items = page.json()["items"]
        return items if len(items) >= count else []

    return await eventually(look)


async def test_workflows_start_at_their_times_and_on_their_events(tmp_path: Path):
    async with running_stack(tmp_path, {}) as stack, stack.client() as client:
        rows = await database(tmp_path / "data", "visapi_orchestrator")
        try:
            await timed(client)
            await backfilled(client)
            await on_events(client, rows)
            await on_correlated_events(client, rows)
        finally:
            await rows.close()


async def deploy(client: httpx.AsyncClient, definition: str) -> None:
    answer = await client.post("/v1/workflows", content=definition, headers=YAML)
    assert answer.status_code == 201, answer.text


async def timed(client: httpx.AsyncClient) -> None:
    await deploy(client, text("ticking", "{every: {seconds: 1}}", "[{s: {set: {n: 1}}}]"))
    await ended(client, "ticking", 2)
    view = (await client.get("/v1/schedules/auto/ticking")).json()
    assert len(view["next"]) == 10
    assert view["fires"][0]["outcome"] == "started"
    paused = (await client.post("/v1/schedules/auto/ticking/pause")).json()
    assert (paused["paused"], paused["next"]) == (True, [])
    # A version without a schedule ends it.
    plain = text("ticking", "X", "[{s: {set: {n: 1}}}]", "2.0.0").replace("schedule: X\n", "")
    await deploy(client, plain)
    assert (await client.get("/v1/schedules/auto/ticking")).status_code == 404


async def backfilled(client: httpx.AsyncClient) -> None:
    definition = text("nightly", "{cron: '0 3 * * *'}", "[{s: {set: '${ $workflow.input }'}}]", metadata=(
        "{timezone: Europe/Berlin, input: {kind: nightly}}"))  # fmt: skip
    await deploy(client, definition)
    until = datetime.now(UTC)
    body = {"from": (until - timedelta(days=3)).isoformat(), "to": until.isoformat()}
    counted = await client.post("/v1/schedules/auto/nightly/backfill", json={**body, "dry_run": True})
    assert counted.status_code == 202, counted.text
    assert (counted.json()["fires"], counted.json()["runs"]) == (3, [])
    first = (await client.post("/v1/schedules/auto/nightly/backfill", json=body)).json()
    assert first["started"] == 3
    again = (await client.post("/v1/schedules/auto/nightly/backfill", json=body)).json()
    assert (again["fires"], again["started"]) == (3, 0)
    runs = await ended(client, "nightly", 3)
    assert {str(run["output"]) for run in runs} == {"{'kind': 'nightly'}"}
    assert (await client.post("/v1/schedules/auto/nightly/trigger")).status_code == 202
    await ended(client, "nightly", 4)


def event(kind: str, number: int, **data: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": f"{kind}-{number}", "source": "/test", "type": kind, "data": data}


async def post(client: httpx.AsyncClient, *events: dict[str, Any]) -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    assert (await client.post("/v1/events", json=list(events), headers=headers)).status_code == 202


async def listens(rows: asyncpg.Connection, name: str, version: str = "1.0.0") -> None:
    """The listener of a schedule begins right after the deployment; it has no view of its own."""
    listener = (
        "select true from visapi.subscriptions s join visapi.runs r on r.id = s.run"
        " where r.quiet and r.name = $1 and r.version = $2"
    )
    await eventually(lambda: rows.fetchval(listener, name, version))


async def on_events(client: httpx.AsyncClient, rows: asyncpg.Connection) -> None:
    definition = text("alarm", "{on: {one: {with: {type: low, data: '${ .bpm < 50 }'}}}}",
        "[{s: {set: {bpm: '${ $workflow.input[0].data.bpm }'}}}]")  # fmt: skip
    await deploy(client, definition)
    await listens(rows, "alarm")
    await post(client, event("low", 1, bpm=40), event("low", 2, bpm=70), event("low", 3, bpm=45))
    await post(client, event("low", 1, bpm=40))
    runs = await ended(client, "alarm", 2)
    assert sorted(run["output"]["bpm"] for run in runs) == [40, 45]
    # The next version's listener takes the place of the one before.
    await deploy(client, definition.replace("1.0.0", "1.1.0").replace("< 50", "< 99"))
    await listens(rows, "alarm", "1.1.0")
    await post(client, event("low", 4, bpm=80))
    runs = await ended(client, "alarm", 3)
    assert runs[0]["workflow"]["version"] == "1.1.0"
    assert len(runs) == 3


async def on_correlated_events(client: httpx.AsyncClient, rows: asyncpg.Connection) -> None:
    strategy = (
        "{on: {all: [{with: {type: paid}, correlate: {o: {from: .data.order}}}, "
        "{with: {type: packed}, correlate: {o: {from: .data.order}}}]}}"
    )
    await deploy(
        client, text("ship", strategy, "[{s: {set: {types: '${ [.[].type] }', o: '${ .[0].data.order }'}}}]")
    )
    await listens(rows, "ship")
    await post(
        client, event("paid", 1, order="a"), event("packed", 1, order="b"), event("packed", 2, order="a")
    )
    (run,) = await ended(client, "ship")
    assert run["output"] == {"types": ["paid", "packed"], "o": "a"}
