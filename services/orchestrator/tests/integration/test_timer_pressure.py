"""More timers at once than the pump has room for: the rest stay unclaimed in PostgreSQL, and each is claimed once."""

import asyncio
from typing import Any

import pytest

from kit.orchestration import Stack, eventually
from visapi_orchestrator.timing import due_work
from visapi_orchestrator.transitions.store.ledger import PostgresLedger

NAP = "do: [{nap: {wait: {seconds: 5}}}]"
LIMIT = 100
"""Far fewer than in service, so that the runs wait at once on any machine."""
COUNT = 400
BATCH = 32
CLAIMS = """
create table timer_claims (run uuid not null);
grant insert on timer_claims to visapi_orchestrator;
create function note_claim() returns trigger language plpgsql as $$
begin insert into timer_claims values (new.run); return new; end $$;
create trigger note_claim after update of due_at on timers for each row execute function note_claim();
"""


class Held:
    """The ledger behind a gate: nothing is committed while it is shut."""

    def __init__(self, ledger: PostgresLedger, gate: asyncio.Event) -> None:
        self._ledger = ledger
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def write(self, *arguments: Any, **more: Any) -> Any:
        await self._gate.wait()
        return await self._ledger.write(*arguments, **more)


async def test_no_more_timers_are_claimed_than_there_is_room_for_and_each_once(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(due_work, "LIMIT", LIMIT)
    await stack.gateway.deploy("nap", NAP)
    ask = stack.gateway.pool.fetchval
    async with stack.orchestrator():
        await asyncio.gather(*(stack.gateway.start("nap") for _ in range(COUNT)))
        await eventually(lambda: ask("select count(*) = 0 from runs where status = 'pending'"))
    waiting: int = await ask("select count(*) from timers")
    await eventually(lambda: ask("select max(fire_at) < now() from timers"))
    await stack.gateway.pool.execute(CLAIMS)
    gate = asyncio.Event()
    async with stack.orchestrator(around_ledger=lambda ledger: Held(ledger, gate), lanes=1, batch_max=BATCH):
        assert waiting > LIMIT + 2 * BATCH, "the machine was too slow to have them all wait at once"
        await eventually(lambda: ask("select count(*) >= $1 from timer_claims", LIMIT))
        lapsed = (
            "select count(*) >= $1 from timers where due_at < now() and run in (select run from timer_claims)"
        )
        await eventually(lambda: ask(lapsed, LIMIT))
        assert LIMIT <= await ask("select count(*) from timer_claims") <= LIMIT + BATCH
        assert await ask("select count(distinct run) = count(*) from timer_claims")
        gate.set()
        await eventually(lambda: ask("select count(*) = 0 from runs"), within_s=90)
    done = "select count(*) from runs_done where status = 'completed'"
    assert await ask(done) == COUNT
