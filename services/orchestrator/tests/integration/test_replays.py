"""Replays: once, whoever asks and however many processes look, and never of what has no place to go back to."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.ledger_rows import overwrite
from kit.orchestration import TENANT, Stack, eventually
from visapi_common.adapters.clock import RandomIds
from visapi_common.core.cloudevents import TEST_IDS
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.dead_letters.store import PostgresQuarantine

EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "paid"}


def letter(
    kind: Any, *item: str, detail: str = "first", body: bytes = msgspec.json.encode(EVENT)
) -> DeadLetterEntry:
    return DeadLetterEntry(kind=kind, tenant=TENANT, reason="bad", detail=detail, item=item, body=body)


async def kept(stack: Stack, rows: PostgresQuarantine, one: DeadLetterEntry) -> UUID:
    before = await _ids(stack)
    assert await rows.set_aside(one)
    (new,) = await _ids(stack) - before
    return new


async def _ids(stack: Stack) -> set[UUID]:
    return {row["id"] for row in await stack.gateway.pool.fetch("select id from dead_letters")}


async def ask(stack: Stack, *letters: UUID) -> None:
    for one in letters:
        await stack.gateway.rows.replay(one, TENANT)


async def test_a_lifecycle_letter_is_open_again_and_never_counts_as_replayed(stack: Stack):
    rows = PostgresQuarantine(stack.gateway.pool, RandomIds())
    one = await kept(stack, rows, letter("lifecycle", "1-1"))
    await ask(stack, one)
    async with stack.orchestrator():

        async def reopened() -> bool:
            (row,) = await stack.gateway.pool.fetch("select * from dead_letters")
            assert row["replayed_at"] is None
            return row["resolved_at"] is None and "cannot be put back" in row["detail"]

        await eventually(reopened)


async def test_two_processes_that_see_one_request_put_the_letter_back_once(stack: Stack):
    pool = stack.gateway.pool
    first, second = PostgresQuarantine(pool, RandomIds()), PostgresQuarantine(pool, RandomIds())
    await ask(stack, await kept(stack, first, letter("event", "/shop", "1", "paid")))
    seen = [await rows.to_replay(10) for rows in (first, second)]
    assert len(seen[0]) == len(seen[1]) == 1
    await first.replay(seen[0])
    assert await overwrite(pool, "events_in", {}, matched_at=datetime.now(UTC)) == 1
    await second.replay(seen[1])
    assert await pool.fetchval("select count(*) from events_in where matched_at is null") == 0


async def test_an_event_of_a_test_run_stays_one_when_its_row_is_gone(stack: Stack):
    pool = stack.gateway.pool
    rows = PostgresQuarantine(pool, RandomIds())
    for name in ("1", f"{TEST_IDS}1"):
        await ask(stack, await kept(stack, rows, letter("event", "/shop", name, "paid")))
    await rows.replay(await rows.to_replay(10))
    found = await pool.fetch("select id, test from events_in order by id")
    assert [(row["id"], row["test"]) for row in found] == [("1", False), (f"{TEST_IDS}1", True)]


async def test_a_letter_that_fails_again_beside_its_like_is_tried_no_more(stack: Stack):
    """Its like stands for both; before, the letter was tried each second for ever."""
    pool = stack.gateway.pool
    rows = PostgresQuarantine(pool, RandomIds())
    old = await kept(stack, rows, letter("lifecycle", "1-1"))
    await ask(stack, old)
    new = await kept(stack, rows, letter("lifecycle", "1-1"))
    assert old != new
    async with stack.orchestrator():

        async def settled() -> bool:
            return await pool.fetchval("select resolution from dead_letters where id = $1", old) != "replay"

        await eventually(settled)
    assert await rows.to_replay(10) == []
    found = {row["id"]: row for row in await pool.fetch("select * from dead_letters")}
    assert (found[old]["resolution"], found[old]["replayed_at"]) == ("set-aside-again", None)
    assert found[new]["resolved_at"] is None


@pytest.mark.parametrize("kind", ["message", "event"])
async def test_one_letter_that_fails_again_keeps_no_other_from_being_put_back(stack: Stack, kind: str):
    pool = stack.gateway.pool
    rows = PostgresQuarantine(pool, RandomIds())
    await pool.execute("alter table events_in add constraint refuses check (id <> 'bad')")
    bad = msgspec.json.encode(EVENT | {"id": "bad"})
    item = ("visapi.events." + TENANT + ".paid",) if kind == "message" else ("/shop", "bad", "paid")
    asked = [await kept(stack, rows, letter(kind, *item, body=bad))]
    for number in range(10):
        asked.append(await kept(stack, rows, letter("event", "/shop", str(number), "paid")))
    await ask(stack, *asked)
    async with stack.orchestrator():
        await eventually(lambda: _count(stack, "replayed_at is not null", 10))
        await eventually(lambda: _count(stack, "resolved_at is null and detail like '%23514%'", 1))
    assert await pool.fetchval("select count(*) from events_in") == 10


async def _count(stack: Stack, where: str, wanted: int) -> bool:
    return await stack.gateway.pool.fetchval(f"select count(*) from dead_letters where {where}") == wanted
