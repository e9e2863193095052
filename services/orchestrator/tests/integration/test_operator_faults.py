"""Whose fault a refusal is: the operator's faults no run, a row's contents cost its own run only."""

from typing import Any

import pytest

from kit.ledger_rows import overwrite
from kit.orchestration import Stack, completed, eventually

CALL = "do: [{only: {call: acme.echo, with: {n: 1}}}]"
NAP = "do: [{nap: {wait: {milliseconds: 300}}}]"


async def test_a_missing_grant_faults_no_run_and_everything_goes_on_when_it_is_given(stack: Stack):
    pool = stack.gateway.pool
    await stack.gateway.deploy("call", CALL)
    await stack.gateway.deploy("nap", NAP)
    async with stack.orchestrator() as lifecycle:
        await stack.worker("acme.echo", answer=completed)
        before = await stack.gateway.start("call")
        await stack.gateway.ended(before)
        for table in ("runs", "tasks", "timers", "events_in", "schedules", "inbox"):
            await pool.execute(f"revoke update, insert on {table} from visapi_orchestrator")
        runs = [await stack.gateway.start(name) for name in ("call", "nap", "call")]
        await eventually(lambda: _alarmed(lifecycle, "42"))
        assert {await stack.gateway.status(run) for run in runs} == {"pending"}
        for table in ("runs", "tasks", "timers", "events_in", "schedules", "inbox"):
            await pool.execute(f"grant update, insert on {table} to visapi_orchestrator")
        ended = [await stack.gateway.ended(run) for run in runs]
        assert {row["status"] for row in ended} == {"completed"}
        assert await pool.fetch("select * from dead_letters") == []


@pytest.mark.parametrize("state", ["53100", "53200", "58030", "42501"])
async def test_what_only_the_operator_can_mend_faults_no_run(stack: Stack, state: str):
    """A disk that is full, told by a trigger on the rows of runs."""
    pool = stack.gateway.pool
    await stack.gateway.deploy("call", CALL)
    async with stack.orchestrator() as lifecycle:
        await stack.worker("acme.echo", answer=completed)
        await pool.execute(
            "create function fails() returns trigger language plpgsql as"
            f" $$ begin raise sqlstate '{state}' using message = 'not now'; end $$"
        )
        await pool.execute("create trigger full_disk before insert on tasks execute function fails()")
        runs = [await stack.gateway.start("call") for _ in range(5)]
        await eventually(lambda: _alarmed(lifecycle, state[:2]))
        await pool.execute("drop trigger full_disk on tasks")
        ended = [await stack.gateway.ended(run) for run in runs]
        assert {row["status"] for row in ended} == {"completed"}


async def _alarmed(lifecycle: Any, sort: str) -> bool:
    for metric in lifecycle.metrics.registry.collect():
        if metric.name == "visapi_operator_faults":
            return any(sample.labels.get("class") == sort and sample.value for sample in metric.samples)
    return False


async def test_a_row_that_postgresql_refuses_faults_its_run_and_no_neighbour(stack: Stack):
    pool = stack.gateway.pool
    await stack.gateway.deploy("call", CALL)
    await pool.execute(
        "create function picky() returns trigger language plpgsql as $$ begin"
        " if (select input from runs where id = new.run) = '\\x7b22696e6c696e65223a226261642279' then null; end if;"
        " if convert_from((select input from runs where id = new.run), 'utf8') like '%poison%' then"
        " raise sqlstate '22P05' using message = 'untranslatable'; end if; return new; end $$"
    )
    await pool.execute("create trigger picky before insert on tasks for each row execute function picky()")
    async with stack.orchestrator():
        await stack.worker("acme.echo", answer=completed)
        runs = [await stack.gateway.start("call", "poison" if n == 7 else n) for n in range(20)]
        ended = [(await stack.gateway.ended(run))["status"] for run in runs]
        assert ended == ["faulted" if n == 7 else "completed" for n in range(20)]


async def test_a_state_that_cannot_be_read_costs_its_run_only(stack: Stack):
    """Bytes of another release or a broken disk where a run's state should be."""
    await stack.gateway.deploy("nap", "do: [{nap: {wait: {milliseconds: 1500}}}]")
    async with stack.orchestrator():
        await stack.worker("acme.echo")
        broken = await stack.gateway.start("nap")
        await eventually(lambda: stack.gateway.count("timers", broken))
        await overwrite(stack.gateway.pool, "runs", {"id": broken}, state=b"\xff\x00\xff")
        runs = [await stack.gateway.start("nap") for _ in range(5)]
        assert {(await stack.gateway.ended(run))["status"] for run in runs} == {"completed"}

        async def over() -> bool:
            held = await stack.gateway.pool.fetchval("select true from dead_letters where run = $1", broken)
            return bool(held) or await stack.gateway.status(broken) == "faulted"

        await eventually(over)
