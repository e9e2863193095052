"""History in pages and as a stream: nothing lost, nothing shown twice, and a clean end."""

import asyncio
import time
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from kit.ledger_rows import plant
from kit.servers import NatsServer
from visapi.client import AsyncClient, Client
from visapi_common.adapters.bus import Bus
from visapi_common.contracts.engine_messages import LiveUpdate
from visapi_common.contracts.subjects import live
from visapi_gateway.kernel.asgi.server import CLOSING_S
from visapi_gateway.runs.reading.live import CHECK_S
from visapi_orchestrator.transitions.relations.inbox import InboxKey
from visapi_orchestrator.transitions.relations.runs import LiveRun
from visapi_orchestrator.transitions.rules.write_set import WriteSet

SSE = {"Accept": "text/event-stream"}
END = "workflow.completed"


async def begun(gateway: Any) -> str:
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    await gateway.progress(run, ["workflow.started", "task.created"])
    return run


async def read_until(lines: Any, wanted: str) -> list[str]:
    got = []
    async for line in lines:
        got.append(line)
        if line.startswith(wanted):
            return got
    raise AssertionError(f"the stream ended before {wanted!r}: {got}")


def ids(lines: list[str]) -> list[int]:
    return [int(line[4:]) for line in lines if line.startswith("id: ")]


async def test_history_comes_in_pages(gateway: Any) -> None:
    run = await begun(gateway)
    await gateway.progress(run, ["task.started", "task.completed", END], status="completed")
    first = (await gateway.http.get(f"/v1/runs/{run}/history?limit=2")).json()
    second = (
        await gateway.http.get(f"/v1/runs/{run}/history", params={"limit": 9, "cursor": first["next"]})
    ).json()
    assert [item["seq"] for item in first["items"] + second["items"]] == [1, 2, 3, 4, 5]
    assert second["next"] is None
    after = (await gateway.http.get(f"/v1/runs/{run}/history?after=3")).json()
    assert [item["seq"] for item in after["items"]] == [4, 5]


async def test_a_stream_shows_what_was_and_what_comes_and_ends_with_the_run(
    gateway: Any, shared_nats: NatsServer
) -> None:
    run = await begun(gateway)
    bus = await Bus.connect(shared_nats.url(), "test")
    async with gateway.http.stream("GET", f"/v1/runs/{run}/history", headers=SSE) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        seen = await read_until(lines, "id: 2")
        await gateway.progress(run, ["task.completed", END], status="completed")
        began = time.monotonic()
        bus.publish(live("default", UUID(run)), msgspec.json.encode(LiveUpdate(UUID(run), 4, "completed")))
        seen += await read_until(lines, "event: end")
        assert time.monotonic() - began < CHECK_S, "the live message should have woken the stream"
        rest = [line async for line in lines]
    assert ids(seen) == [1, 2, 3, 4]
    assert any('"completed"' in line for line in rest), "the end event names the status"
    await bus.close()


async def test_a_stream_resumes_after_last_event_id_and_after_a_query(gateway: Any) -> None:
    run = await begun(gateway)
    await gateway.progress(run, ["task.completed", END], status="completed")
    by_header = await gateway.http.get(f"/v1/runs/{run}/history", headers={**SSE, "Last-Event-ID": "2"})
    by_query = await gateway.http.get(f"/v1/runs/{run}/history?after=3", headers=SSE)
    assert ids(by_header.text.splitlines()) == [3, 4]
    assert ids(by_query.text.splitlines()) == [4]


async def test_a_stream_goes_on_while_nats_is_away(serve: Any, nats_server: NatsServer) -> None:
    async with serve(nats_server) as gateway:
        run = await begun(gateway)
        async with gateway.http.stream("GET", f"/v1/runs/{run}/history", headers=SSE) as stream:
            lines = stream.aiter_lines()
            seen = await read_until(lines, "id: 2")
            nats_server.kill()
            await gateway.progress(run, [END], status="completed")
            seen += await read_until(lines, "event: end")
        assert ids(seen) == [1, 2, 3]


async def test_open_streams_end_themselves_when_the_gateway_stops(gateway: Any) -> None:
    run = await begun(gateway)
    async with gateway.client(gateway.admin) as client:
        streams = [
            await client.send(
                client.build_request("GET", f"/v1/runs/{run}/history", headers=SSE), stream=True
            )
            for _ in range(5)
        ]
        readers = [stream.aiter_lines() for stream in streams]
        for lines in readers:
            await read_until(lines, "id: 2")
        began = time.monotonic()
        gateway.lifecycle.stop()
        rests = [[line async for line in lines] for lines in readers]
        async with asyncio.timeout(10):
            await gateway.stopped
        assert time.monotonic() - began < CLOSING_S
        assert all(any(line.startswith("retry: ") for line in rest) for rest in rests)
        with pytest.raises(httpx.ConnectError):
            await client.get("/livez")


async def test_a_wait_ends_at_once_when_the_gateway_stops(gateway: Any) -> None:
    await gateway.deploy()
    waiting = asyncio.create_task(gateway.start(1, Prefer="wait=50"))
    await gateway.until(lambda: gateway.db.fetchval("select id from visapi.runs"))
    gateway.lifecycle.stop()
    answer = await waiting
    assert answer.status_code == 202


async def test_the_etag_of_a_run_changes_with_it(gateway: Any) -> None:
    run = await begun(gateway)
    first = await gateway.http.get(f"/v1/runs/{run}")
    tag = {"If-None-Match": first.headers["etag"]}
    assert (await gateway.http.get(f"/v1/runs/{run}", headers=tag)).status_code == 304
    await gateway.progress(run, [END], status="completed")
    changed = await gateway.http.get(f"/v1/runs/{run}", headers=tag)
    assert (changed.status_code, changed.json()["status"]) == (200, "completed")
    assert changed.json()["ended_at"] is not None


async def test_runs_are_listed_newest_first_over_live_and_ended_ones(gateway: Any) -> None:
    await gateway.deploy()
    runs = [(await gateway.start(n)).json()["id"] for n in range(5)]
    for run in runs[::2]:
        await gateway.progress(run, [END], status="completed")
    listed, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await gateway.http.get("/v1/runs", params=params)).json()
        listed += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert listed == runs[::-1]
    ended = (await gateway.http.get("/v1/runs?status=completed&workflow=demo/hello")).json()
    assert [item["id"] for item in ended["items"]] == runs[::2][::-1]
    assert (await gateway.http.get("/v1/runs?workflow=demo/other")).json()["items"] == []


async def test_a_cursor_of_another_list_is_refused(gateway: Any) -> None:
    await gateway.deploy()
    for n in range(3):
        await gateway.start(n)
    cursor = (await gateway.http.get("/v1/runs?limit=1")).json()["next"]
    for params in ({"cursor": cursor, "status": "pending"}, {"cursor": cursor + "A"}, {"cursor": "x"}):
        answer = await gateway.http.get("/v1/runs", params=params)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def faulted_and_retried(gateway: Any) -> str:
    """A faulted run with an accepted retry that no orchestrator has consumed."""
    run = await begun(gateway)
    faulted = ["task.faulted", "workflow.faulted"]
    await gateway.progress(run, faulted, status="faulted", resume=b"{}")
    # The gateway would ask the run's state whether it can be taken up; this one has none.
    body = b'{"actor":"t"}'
    await plant(gateway.db, "inbox", run=run, key="retry:4", tenant="default", kind="retry", body=body)
    return run


async def revive(gateway: Any, run: str) -> None:
    """Consume the retry as the orchestrator does: the run is live again, its history stays."""
    of = UUID(run)
    assert (await gateway.ledger.revive([of])).live == [of]
    back = (await gateway.ledger.load([of])).snapshots[of]
    consumed = [InboxKey(of, row.key) for row in back.inbox]
    live = [LiveRun(of, back.revision, "running", back.seq, b"{}")]
    await gateway.ledger.write(WriteSet(live=live, consumed_inbox=consumed))


async def test_a_stream_that_starts_before_a_retry_is_consumed_goes_on_to_the_runs_real_end(
    gateway: Any,
) -> None:
    run = await faulted_and_retried(gateway)
    async with gateway.http.stream("GET", f"/v1/runs/{run}/history", headers=SSE) as stream:
        lines = stream.aiter_lines()
        seen = await read_until(lines, "id: 4")
        await revive(gateway, run)
        await gateway.progress(run, ["workflow.resumed", END], status="completed")
        rest = [line async for line in lines]
    assert "event: end" not in seen
    assert ids(rest) == [5, 6]
    assert rest.count("event: end") == 1
    assert any('"completed"' in line for line in rest)


async def test_both_clients_follow_a_retried_run_past_its_old_fault(gateway: Any) -> None:
    run = await faulted_and_retried(gateway)
    seen: list[str] = []

    def follow() -> None:
        with Client(str(gateway.http.base_url), gateway.admin) as client:
            seen.extend(item.type for item in client.follow(run))

    async def follow_too() -> list[str]:
        async with AsyncClient(str(gateway.http.base_url), gateway.admin) as client:
            return [item.type async for item in client.follow(run)]

    followers = asyncio.create_task(asyncio.to_thread(follow)), asyncio.create_task(follow_too())
    await gateway.until(lambda: _followed_by(gateway, 2))
    await revive(gateway, run)
    await gateway.progress(run, ["workflow.resumed", END], status="completed")
    async with asyncio.timeout(30):
        await asyncio.gather(*followers)
    assert seen[-4:] == ["task.faulted", "workflow.faulted", "workflow.resumed", END]
    assert followers[1].result() == seen


async def _followed_by(gateway: Any, count: int) -> bool:
    return gateway.lifecycle.metrics.sse_followers._value.get() == count
