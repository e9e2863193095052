"""`timing.due_work.DueRows`: what is overdue is claimed by pushing it."""

from uuid import UUID

import pytest

from kit.ports import TENANT, Ground
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.transitions.relations.runs import LiveRun
from visapi_orchestrator.transitions.relations.timers import NewTimer
from visapi_orchestrator.transitions.rules.write_set import WriteSet


async def timer(ground: Ground, in_s: float, name: str = "t") -> UUID:
    run = await ground.run()
    fire_ms = int(await ground.now_ms() + in_s * 1000)
    rows = WriteSet(live=[LiveRun(run, 0, "waiting", 0, b"{}")], new_timers=[NewTimer(run, name, fire_ms)])
    await ground.ledger.write(rows)
    return run


async def test_a_timer_is_claimed_once_it_is_due(ground: Ground):
    due, _ = await timer(ground, -1), await timer(ground, 600)
    (messages,) = await ground.due.claim_timers(10)
    assert (messages.run, [one.id for one in messages.timers]) == (due, ["t"])
    assert await ground.due.claim_timers(10) == []


async def test_the_one_that_has_been_due_for_longest_comes_first(ground: Ground):
    late, later = await timer(ground, -5), await timer(ground, -50)
    assert [one.run for one in await ground.due.claim_timers(1)] == [later]
    assert [one.run for one in await ground.due.claim_timers(1)] == [late]


async def test_a_claimed_timer_comes_again_unless_it_is_consumed(ground: Ground):
    run = await timer(ground, -1)
    await ground.due.claim_timers(10)
    await ground.passes(61)
    assert [one.run for one in await ground.due.claim_timers(10)] == [run]


async def test_the_wait_until_the_next_timer_is_told(ground: Ground):
    assert (await ground.due.next_timer()).wait_s is None
    await timer(ground, 600)
    await timer(ground, 300)
    assert (await ground.due.next_timer()).wait_s == pytest.approx(300, abs=60)


async def test_the_timer_that_is_claimed_first_can_be_set_aside(ground: Ground):
    assert await ground.due.first_timer() is None
    late, _ = await timer(ground, -50, "bad"), await timer(ground, -5)
    letter = await ground.due.first_timer()
    assert letter is not None
    assert (letter.kind, letter.run, letter.tenant, letter.item) == ("timer", late, TENANT, ("bad",))
    assert await ground.dead_letters.set_aside(letter)
    assert late not in [one.run for one in await ground.due.claim_timers(10)]


async def test_a_pending_run_is_overdue_after_two_seconds_and_pushed_by_each_claim(ground: Ground):
    run = await ground.run()
    assert await ground.due.claim_runs(10, 0.0) == []
    await ground.passes(3)
    assert await ground.due.claim_runs(10, 30.0) == []
    assert await ground.due.claim_runs(10, 0.0) == [(TENANT, run)]
    assert await ground.due.claim_runs(10, 0.0) == []
    await ground.passes(61)
    assert await ground.due.claim_runs(10, 0.0) == [(TENANT, run)]


async def test_a_run_that_has_begun_is_not_pending(ground: Ground):
    await ground.task()
    await ground.passes(61)
    assert await ground.due.claim_runs(10, 0.0) == []


async def test_of_each_tenant_as_many_runs_are_claimed(ground: Ground):
    for _ in range(6):
        await ground.run(tenant="big")
    small = await ground.run(tenant="small")
    await ground.passes(3)
    claimed = await ground.due.claim_runs(6, 0.0)
    assert ("small", small) in claimed
    assert 2 <= [tenant for tenant, _ in claimed].count("big") <= 3


async def test_runs_with_overdue_inbox_rows_are_found(ground: Ground):
    run = await ground.run()
    await ground.tell(run, "cancel", "cancel", {"actor": "t"})
    await ground.passes(3)
    claimed = await ground.due.claim_inbox(10)
    assert (claimed.runs, claimed.unknown) == ([run], [])
    assert (await ground.due.claim_inbox(10)).runs == []


async def test_a_row_of_a_kind_that_nobody_takes_is_set_aside_after_many_sweeps(ground: Ground):
    run = await ground.run()
    await ground.tell(run, "of-a-newer-release", "x", {"n": 1})
    for _ in range(5):
        await ground.passes(61)
        assert (await ground.due.claim_inbox(10)).unknown == []
    await ground.passes(61)
    (letter,) = (await ground.due.claim_inbox(10)).unknown
    assert (letter.run, letter.tenant, letter.reason) == (run, TENANT, "bad-inbox")
    assert letter.item == ("x", "of-a-newer-release")
    assert await ground.dead_letters.set_aside(letter)
    await ground.passes(61)
    assert await ground.due.claim_inbox(10) == await ground.due.claim_inbox(10)


async def test_a_dead_letter_is_new_once(ground: Ground):
    letter = DeadLetterEntry(kind="message", tenant=TENANT, reason="bad", detail="?", item=("a",), body=b"x")
    assert await ground.dead_letters.set_aside(letter)
    assert not await ground.dead_letters.set_aside(letter)
