"""Replays: once, whoever asks and however many processes look, and never of what has no place to go back to."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.ledger_rows import move_back, overwrite, plant
from kit.orchestration import TENANT, Stack, eventually
from visapi_common.adapters.clock import RandomIds
from visapi_common.core.cloudevents import TEST_IDS
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.dead_letters.store import PostgresQuarantine
from visapi_orchestrator.upkeep.levels import LETTERS
from visapi_orchestrator.upkeep.store.levels import PostgresLevels

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


async def test_a_replay_of_many_goes_on_after_a_kill_and_one_hostile_letter_stops_no_other(stack: Stack):
    """Two letters a second: the first process dies after its first step, and its step is not taken twice."""
    pool = stack.gateway.pool
    rows = PostgresQuarantine(pool, RandomIds())
    await pool.execute("alter table events_in add constraint refuses check (id <> '2')")
    for number in range(5):
        await kept(stack, rows, letter("event", "/shop", str(number), "paid"))
    await kept(stack, rows, letter("emit", "/shop", "9", "paid"))
    many = RandomIds().uuid7()
    columns = {"kind": "event", "rate_per_s": 2, "counted": 5, "created_by": "key:a"}
    await plant(pool, "dead_letter_replays", id=many, tenant=TENANT, **columns)
    killed = PostgresQuarantine(pool, RandomIds())
    assert (await killed.due(10), await killed.step(many), await killed.step(many)) == ([many], 2, 0)
    async with stack.orchestrator():

        async def done() -> bool:
            [row] = await pool.fetch("select * from dead_letter_replays")
            return (row["state"], row["asked"], row["replayed"], row["failed"]) == ("done", 5, 4, 1)

        await eventually(done)
    assert await pool.fetchval("select count(*) from events_in") == 4
    left = await pool.fetch("select kind, item, bulk from dead_letters where resolved_at is null order by id")
    assert [(row["kind"], row["item"][1], row["bulk"]) for row in left] == [
        ("event", "2", None),
        ("emit", "9", None),
    ]


async def test_an_edited_event_counts_instead_of_its_row(stack: Stack):
    pool = stack.gateway.pool
    rows = PostgresQuarantine(pool, RandomIds())
    for edited in (False, True):
        ident = "edited" if edited else "as it was"
        await plant(pool, "events_in", tenant=TENANT, source="/shop", id=ident, type="paid", body=b"the row")
        one = await kept(stack, rows, letter("event", "/shop", ident, "paid", body=b"the letter"))
        if edited:
            await overwrite(pool, "dead_letters", {"id": one}, edited_at=datetime.now(UTC))
        await ask(stack, one)
    await rows.replay(await rows.to_replay(10))
    found = {row["id"]: row["body"] for row in await pool.fetch("select id, body from events_in")}
    assert found == {"as it was": b"the row", "edited": b"the letter"}


async def test_a_webhook_that_was_given_up_is_sent_again_by_a_replay(stack: Stack):
    pool, ids = stack.gateway.pool, RandomIds()
    rows = PostgresQuarantine(pool, ids)
    endpoint, gone, message = ids.uuid7(), ids.uuid7(), ids.uuid7()
    about = {"types": ["*"], "wants": 7, "url": "https://example.com/", "created_by": "t", "updated_by": "t"}
    await plant(pool, "endpoints", tenant=TENANT, id=endpoint, name="one", **about)
    failed = {"state": "failed", "attempts": 10, "attempts_left": 0, "ended_at": datetime.now(UTC)}
    webhook = {"news": 1, "type": "run.completed", "size": 2, **failed}
    await plant(pool, "endpoint_messages", tenant=TENANT, endpoint=endpoint, id=message, **webhook)
    there = await kept(stack, rows, letter("webhook", str(endpoint), str(message), body=b""))
    away = await kept(stack, rows, letter("webhook", str(endpoint), str(gone), body=b""))
    await ask(stack, there, away)
    async with stack.orchestrator():
        await eventually(lambda: _count(stack, "replayed_at is not null", 1))
        await eventually(lambda: _count(stack, "resolved_at is null and detail like '%webhook is gone%'", 1))
    row = await pool.fetchrow("select * from endpoint_messages")
    assert row is not None
    assert (row["state"], row["attempts_left"], row["ended_at"]) == ("pending", 10, None)


async def test_open_letters_are_counted_by_what_they_are_about_with_the_age_of_the_oldest(stack: Stack):
    pool = stack.gateway.pool
    rows, levels = PostgresQuarantine(pool, RandomIds()), PostgresLevels(pool)
    await kept(stack, rows, letter("event", "/shop", "1", "paid"))
    old = await kept(stack, rows, letter("webhook", "endpoint", "message"))
    await move_back(pool, "dead_letters", timedelta(hours=1), "created_at", id=old)
    found = {one.queue: one for one in await levels.dead_letters(LETTERS, 10)}
    assert found.keys() == set(LETTERS)
    assert {kind: one.waiting for kind, one in found.items() if one.waiting} == {"event": 1, "webhook": 1}
    assert found["webhook"].oldest_s >= 3_600 > found["event"].oldest_s
    # Webhooks wait for their receivers, and are in no alert.
    [waiting] = [one.waiting for one in await levels.queues(10) if one.queue == "dead_letters"]
    assert waiting == 1
