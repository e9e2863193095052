"""What was set aside is seen over HTTP, mended, and put back by HTTP or the command line: it happens once."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from e2e.test_schedules_and_events import deploy, ended, text
from kit.ledger_rows import overwrite, plant
from kit.running_stack import RunningStack, database, running_stack
from kit.waiting import eventually
from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects


def event(number: str, kind: str) -> dict[str, Any]:
    return {"specversion": "1.0", "id": number, "source": "/shop", "type": kind}


async def publish(stack: RunningStack, number: str, kind: str) -> None:
    bus = await Bus.connect(stack.nats, "test")
    await bus.publish_acked(subjects.event("default", kind), msgspec.json.encode(event(number, kind)))
    await bus.close()


async def open_letters(client: httpx.AsyncClient, kind: str, count: int = 1) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        page = await client.get("/v1/dead-letters", params={"kind": kind, "resolved": "false"})
        items = page.json()["items"]
        return items if len(items) >= count else []

    return await eventually(look)


async def replayed(client: httpx.AsyncClient, letter: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        shown = (await client.get(f"/v1/dead-letters/{letter}")).json()
        return shown if shown["replayed_at"] else None

    return await eventually(look)


async def test_what_was_set_aside_is_mended_and_put_back_once(tmp_path: Path):
    async with running_stack(tmp_path, {}) as stack, stack.client() as client:
        owner = await database(tmp_path / "data")
        rows = await database(tmp_path / "data", "visapi_orchestrator")
        try:
            await a_message_that_a_constraint_refuses(stack, client, owner)
            await a_row_that_cannot_be_read(client, rows)
            await the_command(stack, client, owner, tmp_path)
        finally:
            await owner.close()
            await rows.close()


async def a_message_that_a_constraint_refuses(
    stack: RunningStack, client: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    on_paid = "{on: {one: {with: {type: paid}}}}"
    await deploy(client, text("paid", on_paid, "[{s: {set: {n: 1}}}]"))
    await db.execute("alter table visapi.events_in add constraint refuses check (id <> 'broken')")
    await publish(stack, "broken", "paid")
    (letter,) = await open_letters(client, "message")
    assert "23514" in letter["detail"]
    assert msgspec.json.decode(letter["text"]) == event("broken", "paid")
    await db.execute("alter table visapi.events_in drop constraint refuses")
    assert (await client.post(letter["links"]["replay"])).status_code == 202
    await ended(client, "paid", 1)
    shown = await replayed(client, letter["id"])
    assert (shown["resolution"], shown["resolved_by"].startswith("key:")) == ("replay", True)
    again = await client.post(letter["links"]["replay"])
    assert (again.status_code, again.json()["code"]) == (409, "dead_letter_resolved")
    await publish(stack, "broken", "paid")
    await publish(stack, "another", "paid")
    assert len(await ended(client, "paid", 2)) == 2
    page = await client.get("/v1/runs", params={"workflow": "auto/paid"})
    assert len(page.json()["items"]) == 2, "one run for each event, the replayed one included"


async def a_row_that_cannot_be_read(client: httpx.AsyncClient, db: asyncpg.Connection) -> None:
    await deploy(client, text("shipped", "{on: {one: {with: {type: shipped}}}}", "[{s: {set: {n: 1}}}]"))
    garbled = b'{"id": "garbled\xff'
    await plant(db, "events_in", tenant="default", source="/shop", id="garbled", type="shipped", body=garbled)
    (letter,) = await open_letters(client, "event")
    assert (letter["item"][:2], letter["text"]) == (["/shop", "garbled"], '{"id": "garbled\\xff')
    mended = msgspec.json.encode(event("garbled", "shipped"))
    await overwrite(db, "events_in", {"id": "garbled"}, body=mended)
    assert (await client.post(letter["links"]["replay"])).status_code == 202
    assert len(await ended(client, "shipped", 1)) == 1
    await replayed(client, letter["id"])


async def the_command(
    stack: RunningStack, client: httpx.AsyncClient, db: asyncpg.Connection, folder: Path
) -> None:
    await db.execute("alter table visapi.events_in add constraint refuses check (id <> 'page')")
    await publish(stack, "page", "unheard")
    (letter,) = await open_letters(client, "message")
    await db.execute("alter table visapi.events_in drop constraint refuses")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "visapi", "dead-letter", "replay", letter["id"]),
        *("--reason", "the constraint is gone", "--data-dir", str(folder / "data")),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert f"asked for dead letter {letter['id']} to be put back" in said.decode()
    await replayed(client, letter["id"])
    audit = (await client.get("/v1/audit", params={"action": "dead-letter.replay"})).json()["items"]
    assert audit[0]["target"] == f"dead-letter:{letter['id']}"
    assert audit[0]["reason"] == "the constraint is gone"
