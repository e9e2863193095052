"""All runs of a tenant as a stream and as pages, on a real PostgreSQL: in the order of commits, each change once."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from kit.gateway_world import lifecycle
from kit.orchestrator_rows import OrchestratorRows
from kit.servers import Database, NatsServer
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.pool import open_pool
from visapi_common.contracts.engine_messages import LiveUpdate
from visapi_common.contracts.subjects import live
from visapi_orchestrator.transitions.store.ledger import SESSION

SSE = {"Accept": "text/event-stream"}
PATH = "/v1/runs/changes"
WAITS = "select true from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
STARTED, ENDED = "workflow.started", "workflow.completed"


class Told:
    """What a stream has said."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self.position = ""
        self.changes: list[tuple[str, int, str]] = []

    async def event(self) -> str:
        """Read the next event."""
        name = "message"
        async for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "id":
                self.position = value
            elif field == "event":
                name = value
            elif field == "data":
                change = msgspec.json.decode(value)
                if name == "message":
                    self.changes.append((change["run"], change["seq"], change["type"]))
                return name
        raise AssertionError("the stream has ended")

    async def until(self, count: int) -> None:
        while len(self.changes) < count:
            await self.event()


async def paged(gateway: Any, cursor: str) -> list[tuple[str, int, str]]:
    """All changes after a position, page by page."""
    found: list[tuple[str, int, str]] = []
    while True:
        page = (await gateway.http.get(PATH, params={"cursor": cursor})).json()
        assert not page["reset"]
        if not page["items"]:
            return found
        found += [(item["run"], item["seq"], item["type"]) for item in page["items"]]
        cursor = page["next"]


async def test_nothing_is_lost_or_told_twice_over_transactions_that_end_in_another_order(
    gateway: Any, postgres_db: Database, shared_nats: NatsServer
) -> None:
    pool = await open_pool(postgres_db.orchestrator, size=1, application="second", session=SESSION)
    bus = await Bus.connect(shared_nats.url(), "test")
    slow, *quick = [str(await gateway.accepted()) for _ in range(4)]
    theirs = str(await gateway.accepted("theirs"))
    locker = await asyncpg.connect(postgres_db.superuser)

    async def change(run: str, *types: str, **how: Any) -> None:
        await gateway.progress(run, list(types), **how)
        bus.publish(live("default", UUID(run)), msgspec.json.encode(LiveUpdate(UUID(run), 1, "running")))

    async with gateway.http.stream("GET", PATH, headers=SSE) as stream:
        told = Told(stream.aiter_lines())
        assert await told.event() == "begin"
        begin = told.position
        await change(quick[0], STARTED, "task.created")
        await told.until(1)
        middle = told.position
        # A transition that has its transaction, and waits for a lock before it can commit.
        async with locker.transaction():
            await locker.execute("select from visapi.runs where id = $1 for update", UUID(slow))
            items = lifecycle(1, STARTED)
            writing = asyncio.create_task(OrchestratorRows(pool).write(UUID(slow), items, 1))
            await gateway.until(lambda: gateway.db.fetchval(WAITS))
            await gateway.progress(theirs, [STARTED])
            await change(quick[1], STARTED)
            await change(quick[0], ENDED, status="completed")
            assert await paged(gateway, begin) == told.changes == [(quick[0], 1, STARTED)]
        await writing
        await change(quick[2], STARTED, "workflow.suspended")
        await told.until(6)
    expected = [
        (quick[0], 1, STARTED), (slow, 1, STARTED), (quick[1], 1, STARTED), (quick[0], 3, ENDED),
        (quick[2], 1, STARTED), (quick[2], 2, "workflow.suspended"),
    ]  # fmt: skip
    assert told.changes == expected
    async with gateway.http.stream("GET", PATH, headers={**SSE, "Last-Event-ID": middle}) as stream:
        again = Told(stream.aiter_lines())
        await again.until(5)
    assert told.changes[:1] + again.changes == expected
    assert await paged(gateway, begin) == expected
    for one in (pool, locker, bus):
        await one.close()


async def test_a_limited_key_follows_its_workflows_and_its_stream_ends_with_it(gateway: Any) -> None:
    await gateway.deploy()
    body = {"name": "limited", "workflows": ["demo/hello"], "scopes": ["runs:read"]}
    made = (await gateway.http.post("/v1/keys", json=body)).json()
    mine, other = await gateway.accepted(), await gateway.accepted(name="secret-name")
    async with gateway.client(made["key"]) as client:
        begin = (await client.get(PATH)).json()["next"]
        async with client.stream("GET", PATH, headers=SSE) as stream:
            told = Told(stream.aiter_lines())
            await told.event()
            await gateway.progress(str(other), [STARTED])
            await gateway.progress(str(mine), [STARTED])
            await told.until(1)
            page = (await client.get(PATH, params={"cursor": begin})).json()
            assert [item["run"] for item in page["items"]] == [run for run, *_ in told.changes] == [str(mine)]
            assert (await gateway.http.delete(f"/v1/keys/{made['id']}")).is_success
            with pytest.raises(AssertionError, match="has ended"):
                await told.event()


async def test_a_position_opens_nothing_of_another_filter_or_tenant(gateway: Any) -> None:
    begin = (await gateway.http.get(PATH)).json()["next"]
    other = {"cursor": begin, "type": STARTED}
    assert (await gateway.http.get(PATH, params=other)).json()["code"] == "invalid_cursor"
    async with gateway.http.stream("GET", PATH, headers={**SSE, "Last-Event-ID": "7"}) as stream:
        assert await Told(stream.aiter_lines()).event() == "reset"
