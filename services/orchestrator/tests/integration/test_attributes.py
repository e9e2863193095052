"""Search attributes in the ledger: written with the transition that changed them, or not at all."""

from typing import Any
from uuid import UUID

import msgspec

from kit.ledger_rows import overwrite, plant
from kit.orchestration import Stack, completed, eventually
from visapi_orchestrator.transitions.rules.ledger_answers import WriteResult
from visapi_orchestrator.transitions.rules.write_set import WriteSet
from visapi_orchestrator.transitions.store.ledger import PostgresLedger

ATTRIBUTES = "{attributes: {customer: .customer, tags: .tags, amount: .amount, stage: $context.stage, result: $output.result}}"
WORK = "do: [{a: {call: acme.a, export: {as: '${ {stage: .stage} }'}}}, {b: {call: acme.b}}]"
INPUT = {"customer": "Ada", "tags": ["new", "vip"], "amount": 12.5}


async def rows(stack: Stack, run: UUID) -> dict[str, list[tuple[str, float | None]]]:
    found = await stack.gateway.pool.fetch(
        "select name, value, number from run_attributes where run = $1 order by name, value", run
    )
    grouped: dict[str, list[tuple[str, float | None]]] = {}
    for row in found:
        grouped.setdefault(row["name"], []).append((row["value"], row["number"]))
    return grouped


async def shown(stack: Stack, run: UUID) -> dict[str, Any] | None:
    text = await stack.gateway.pool.fetchval(
        "select attributes from runs where id = $1 union all select attributes from runs_done where id = $1",
        run,
    )
    return None if text is None else msgspec.json.decode(text)


async def test_a_run_carries_its_attributes_from_its_start_to_its_end(stack: Stack):
    await stack.gateway.deploy("found", WORK, settings=ATTRIBUTES)
    async with stack.orchestrator():
        run = await stack.gateway.start("found", INPUT)
        await eventually(lambda: shown(stack, run))
        assert await shown(stack, run) == {**INPUT, "stage": None}
        assert await rows(stack, run) == {
            "customer": [("Ada", None)],
            "tags": [("new", None), ("vip", None)],
            "amount": [("12.5", 12.5)],
            "stage": [("null", None)],
        }
        await stack.worker(
            "acme.a", "acme.b", answer=lambda task: completed(task, {"stage": "paid", "result": True})
        )
        await stack.gateway.ended(run)
        assert await shown(stack, run) == {**INPUT, "stage": "paid", "result": True}
        after = await rows(stack, run)
        assert (after["stage"], after["result"]) == ([("paid", None)], [("true", None)])
        assert after["customer"] == [("Ada", None)]


async def test_a_run_without_attributes_writes_none(stack: Stack):
    await stack.gateway.deploy("plain", "do: [{a: {set: {x: 1}}}]")
    async with stack.orchestrator():
        run = await stack.gateway.start("plain", INPUT)
        await stack.gateway.ended(run)
    assert (await shown(stack, run), await rows(stack, run)) == (None, {})


class Overtaken:
    """A ledger whose first write is overtaken: the run's revision has moved meanwhile."""

    def __init__(self, ledger: PostgresLedger, stack: Stack) -> None:
        self._ledger = ledger
        self._stack = stack
        self.overtaken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def write(self, rows: WriteSet) -> WriteResult:
        if not self.overtaken:
            self.overtaken += 1
            runs = [row.run for row in rows.attributes]
            pool = self._stack.gateway.pool
            await overwrite(pool, "runs", {"id": runs}, revision=7, attributes='{"customer": "kept"}')
            for run in runs:
                await plant(
                    pool, "run_attributes", retention="standard", run=run, tenant="default",
                    name="customer", value="kept", folded="kept",
                )  # fmt: skip
            written = await self._ledger.write(rows)
            assert written.done == {}
            await overwrite(pool, "runs", {"id": runs}, revision=0)
            (run,) = runs
            assert await shown(self._stack, run) == {"customer": "kept"}
            assert await rows_of_customer(self._stack, run) == [("kept", None)]
            return written
        return await self._ledger.write(rows)


async def rows_of_customer(stack: Stack, run: UUID) -> list[tuple[str, float | None]]:
    return (await rows(stack, run))["customer"]


async def test_a_transition_that_was_overtaken_writes_no_attributes(stack: Stack):
    await stack.gateway.deploy(
        "found", "do: [{a: {set: {x: 1}}}]", settings="{attributes: {customer: .customer}}"
    )
    ledgers: list[Overtaken] = []

    def around(ledger: PostgresLedger) -> Overtaken:
        ledgers.append(Overtaken(ledger, stack))
        return ledgers[0]

    async with stack.orchestrator(around_ledger=around):
        run = await stack.gateway.start("found", INPUT)
        await stack.gateway.ended(run)
    assert ledgers[0].overtaken == 1
    assert await shown(stack, run) == {"customer": "Ada"}
    assert await rows_of_customer(stack, run) == [("Ada", None)]
