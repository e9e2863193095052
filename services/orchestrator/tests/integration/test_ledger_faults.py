"""What happens when PostgreSQL does not say whether it committed, or refuses a row."""

from collections.abc import Callable, Collection
from uuid import UUID

from kit.orchestration import MiniWorker, Stack, eventually
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_orchestrator.transitions.rules.ledger_answers import CurrentRun, LoadedRuns, WriteResult
from visapi_orchestrator.transitions.rules.write_set import WriteSet
from visapi_orchestrator.transitions.store.ledger import PostgresLedger

TWO = "do:\n  - one: {call: acme.echo, with: {n: 1}}\n  - two: {call: acme.echo, with: {n: 2}}\n"


class Around:
    """A ledger that something stands in front of."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self.ledger = ledger
        self.calls = 0

    async def load(self, runs: Collection[UUID]) -> LoadedRuns:
        return await self.ledger.load(runs)

    async def write(self, rows: WriteSet) -> WriteResult:
        return await self.ledger.write(rows)

    async def settled(self, runs: Collection[UUID]) -> dict[UUID, CurrentRun]:
        return await self.ledger.settled(runs)

    async def forget(self, runs: Collection[UUID]) -> None:
        await self.ledger.forget(runs)


class LosesAnswers(Around):
    """Commits, then loses the answer."""

    async def write(self, rows: WriteSet) -> WriteResult:
        await self.ledger.write(rows)
        raise UnknownFault("the answer to COMMIT was lost")


class LosesCommits(Around):
    """Every other commit never reaches PostgreSQL, and nobody can tell."""

    async def write(self, rows: WriteSet) -> WriteResult:
        self.calls += 1
        if self.calls % 2:
            raise UnknownFault("the connection was lost during COMMIT")
        return await self.ledger.write(rows)


class AwayAtFirst(Around):
    async def load(self, runs: Collection[UUID]) -> LoadedRuns:
        self.calls += 1
        if self.calls < 3:
            raise TransientFault("the server is starting up")
        return await self.ledger.load(runs)


class RefusesOneRun(Around):
    """PostgreSQL refuses a row of one run as long as it goes on."""

    bad: UUID

    async def write(self, rows: WriteSet) -> WriteResult:
        if any(row.run == self.bad for row in rows.live):
            raise PermanentFault("22P05: untranslatable character")
        return await self.ledger.write(rows)


async def _completes(stack: Stack, around: Callable[[PostgresLedger], Around], count: int = 20) -> MiniWorker:
    await stack.gateway.deploy("two", TWO)
    async with stack.orchestrator(around_ledger=around):
        worker = await stack.worker("acme.echo")
        runs = [await stack.gateway.start("two") for _ in range(count)]
        for run in runs:
            assert (await stack.gateway.ended(run))["status"] == "completed"
        return worker


async def test_a_commit_whose_answer_was_lost_is_recognised_and_published(stack: Stack):
    worker = await _completes(stack, LosesAnswers)
    assert len(worker.seen) == 40


async def test_a_commit_that_did_not_happen_is_made_again(stack: Stack):
    worker = await _completes(stack, LosesCommits)
    assert len({task.effect_key for task in worker.seen}) == 40


async def test_messages_are_handed_back_while_postgresql_is_away(stack: Stack):
    await _completes(stack, AwayAtFirst, count=3)


async def test_a_row_that_postgresql_refuses_faults_its_run_and_no_neighbour(stack: Stack):
    await stack.gateway.deploy("two", TWO)
    triggers = [stack.gateway.trigger("two") for _ in range(10)]
    bad = triggers[4].run

    def around(ledger: PostgresLedger) -> Around:
        refusing = RefusesOneRun(ledger)
        refusing.bad = bad
        return refusing

    for trigger in triggers:
        await stack.gateway.accept(trigger)
    async with stack.orchestrator(around_ledger=around):
        await stack.worker("acme.echo")
        for trigger in triggers:
            stack.gateway.announce(trigger)
        for trigger in triggers:
            row = await stack.gateway.ended(trigger.run)
            assert row["status"] == ("faulted" if trigger.run == bad else "completed")
        items = await stack.gateway.history(bad)
        assert "22P05" in str(items[-1])

        async def empty():
            return await stack.gateway.pool.fetchval("select count(*) from runs") == 0

        await eventually(empty)
