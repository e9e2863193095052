"""Questions to people on real servers: what was decided counts, once, whatever happens in the same moment."""

from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.ledger_rows import overwrite
from kit.orchestration import TENANT, Stack, completed, eventually, faulted, output_of
from visapi_common.contracts.engine_messages import InboxHint, TaskResult
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.subjects import inbox as inbox_subject
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.approvals import approval_id
from visapi_orchestrator.transitions.rules.ledger_answers import WriteResult
from visapi_orchestrator.transitions.rules.write_set import WriteSet
from visapi_orchestrator.transitions.store.ledger import PostgresLedger

PATH = "/do/0/ask"
DOWN = standard_error("communication", 503, title="Down")
WAITS = "do: [{ask: {call: human.approve, with: {title: Go?}}}]"
HURRIES = "do: [{ask: {call: human.approve, with: {title: Go?, deadline: {milliseconds: 300}}}}]"
LIMITED = "do: [{ask: {timeout: {after: {milliseconds: 300}}, call: human.approve, with: {title: Go?}}}]"
TELLS = "do: [{ask: {call: human.approve, with: {title: Go?, notify: [{mail: {call: acme.mail}}]}}}]"
THEN = "do: [{ask: {call: human.approve, with: {title: Go?}}}, {work: {call: acme.work}}]"
BESIDE = "do: [{all: {fork: {branches: [{ask: {call: human.approve, with: {title: Go?}}}, {work: {call: acme.work}}]}}}]"


class Question:
    """The question that a run asks, and the decision on it as the gateway writes it down."""

    def __init__(self, stack: Stack, run: UUID, path: str = PATH) -> None:
        self.stack = stack
        self.run = run
        self.path = path
        self.id = approval_id(run, path)

    async def row(self) -> Mapping[str, Any] | None:
        return await self.stack.gateway.pool.fetchrow("select * from approvals where id = $1", self.id)

    async def is_(self, state: str) -> Mapping[str, Any]:
        async def there() -> Mapping[str, Any] | None:
            row = await self.row()
            return row if row is not None and row["state"] == state else None

        return await eventually(there)

    async def decide(self, decision: str, *, hint: bool = True) -> bool:
        """Whether it was open; what the run hears is committed with it."""
        body = {"path": self.path, "approval": str(self.id), "decision": decision, "by": "link", "v": 1}
        if not await self.stack.gateway.rows.decide(self.run, TENANT, self.id, body):
            return False
        if hint:
            self.stack.gateway.bus.publish(inbox_subject(self.run), msgspec.json.encode(InboxHint(self.run)))
        return True


class Latecomer:
    """A ledger that lets somebody decide at the last moment before a question is closed, once."""

    def __init__(self, ledger: PostgresLedger, stack: Stack) -> None:
        self._ledger = ledger
        self._stack = stack
        self.decided: list[UUID] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def write(self, rows: WriteSet) -> WriteResult:
        for run, approval in ((row.run, row.id) for row in rows.closed_approvals):
            question = Question(self._stack, run)
            assert str(question.id) == approval
            if run not in self.decided:
                self.decided.append(run)
                # Its time is over by the clock; the decision was made before, and is committed now.
                await overwrite(self._stack.gateway.pool, "approvals", {"id": question.id}, expires_at=None)
                assert await question.decide("approve", hint=False)
        return await self._ledger.write(rows)


async def ask(stack: Stack, do: str, path: str = PATH) -> Question:
    await stack.gateway.deploy("asks", do)
    question = Question(stack, await stack.gateway.start("asks", {}), path)
    await question.is_("open")
    return question


async def test_a_decision_goes_on_with_the_run_once_whoever_else_decides(stack: Stack) -> None:
    async with stack.orchestrator(), stack.orchestrator():
        question = await ask(stack, WAITS)
        assert await question.decide("reject")
        assert not await question.decide("approve")
        ended = await stack.gateway.ended(question.run)
        assert output_of(ended)["decision"] == "reject"
        row = await question.row()
        assert row is not None
        assert (row["state"], row["decision"], row["decided_by"]) == ("decided", "reject", "link")
        words = [item["type"] for item in await stack.gateway.history(question.run)]
        assert words.count("task.completed") == 1


async def test_a_decision_that_nobody_hinted_at_and_no_orchestrator_saw_is_found(stack: Stack) -> None:
    async with stack.orchestrator():
        question = await ask(stack, WAITS)
    assert await question.decide("approve", hint=False)
    async with stack.orchestrator():
        assert output_of(await stack.gateway.ended(question.run))["decision"] == "approve"


@pytest.mark.parametrize("do", [HURRIES, LIMITED, TELLS], ids=["deadline", "timeout", "nobody told"])
async def test_a_decision_in_the_moment_of_the_end_counts(stack: Stack, do: str) -> None:
    latecomers: list[Latecomer] = []

    def around(ledger: PostgresLedger) -> Latecomer:
        latecomers.append(Latecomer(ledger, stack))
        return latecomers[-1]

    async with stack.orchestrator(around_ledger=around):
        await stack.worker("acme.mail", answer=lambda task: faulted(task, DOWN))
        await stack.gateway.deploy("asks", do)
        run = await stack.gateway.start("asks", {})
        ended = await stack.gateway.ended(run)
        assert latecomers[0].decided == [run]
        assert (ended["status"], output_of(ended)["decision"]) == ("completed", "approve")
        row = await Question(stack, run).row()
        assert row is not None
        assert (row["state"], row["decision"]) == ("decided", "approve")


async def test_cancelling_a_run_closes_its_question(stack: Stack) -> None:
    async with stack.orchestrator():
        question = await ask(stack, WAITS)
        await stack.gateway.tell(question.run, "cancel")
        assert (await stack.gateway.ended(question.run))["status"] == "cancelled"
        await question.is_("cancelled")
        assert not await question.decide("approve")


async def test_a_decision_while_the_run_is_suspended_is_kept_until_it_is_resumed(stack: Stack) -> None:
    async with stack.orchestrator():
        question = await ask(stack, WAITS)
        await stack.gateway.tell(question.run, "suspend")
        assert await question.decide("approve")

        async def heard() -> bool:
            return await stack.gateway.count("inbox", question.run) == 0

        await eventually(heard)
        assert await stack.gateway.status(question.run) == "suspended"
        await stack.gateway.tell(question.run, "resume")
        assert output_of(await stack.gateway.ended(question.run))["decision"] == "approve"


async def test_a_decision_that_is_kept_does_not_hinder_cancelling(stack: Stack) -> None:
    async with stack.orchestrator():
        question = await ask(stack, WAITS)
        await stack.gateway.tell(question.run, "suspend")
        assert await question.decide("approve")
        await stack.gateway.tell(question.run, "cancel")
        assert (await stack.gateway.ended(question.run))["status"] == "cancelled"


class World:
    """Fails as long as it is told to."""

    def __init__(self) -> None:
        self.down = True
        self.asked: list[str] = []

    def __call__(self, task: TaskMessage) -> TaskResult:
        self.asked.append(task.path)
        return faulted(task, DOWN) if self.down else completed(task, "done")


@asynccontextmanager
async def working(stack: Stack):
    world = World()
    async with stack.orchestrator():
        await stack.worker("acme.work", "acme.mail", answer=world)
        yield world


async def is_resumed(stack: Stack, question: Question, world: World) -> None:
    assert (await stack.gateway.ended(question.run))["status"] == "faulted"
    world.down = False
    await stack.gateway.tell(question.run, "retry", key="retry:9", reason="mended")


async def completes(stack: Stack, run: UUID) -> Mapping[str, Any]:
    async def done() -> Mapping[str, Any] | None:
        row = await stack.gateway.done(run)
        return row if row is not None and row["status"] == "completed" else None

    return await eventually(done)


async def test_a_run_that_is_retried_after_a_decision_does_not_ask_again(stack: Stack) -> None:
    async with working(stack) as world:
        question = await ask(stack, THEN)
        await question.decide("approve")
        await is_resumed(stack, question, world)
        assert output_of(await completes(stack, question.run)) == "done"
        row = await question.row()
        assert row is not None
        assert (row["state"], row["decision"]) == ("decided", "approve")


async def test_a_run_that_failed_beside_an_open_question_asks_it_again_when_it_is_retried(
    stack: Stack,
) -> None:
    async with working(stack) as world:
        await stack.gateway.deploy("asks", BESIDE)
        run = await stack.gateway.start("asks", {})
        question = Question(stack, run, "/do/0/all/fork/branches/0/ask")
        await question.is_("cancelled")
        assert not await question.decide("approve")
        await is_resumed(stack, question, world)
        first = await question.is_("open")
        assert (first["decision"], first["closed_at"]) == (None, None)
        assert await question.decide("approve")
        await completes(stack, run)


async def test_people_who_could_not_be_told_are_told_when_the_run_is_retried(stack: Stack) -> None:
    async with working(stack) as world:
        await stack.gateway.deploy("asks", TELLS)
        question = Question(stack, await stack.gateway.start("asks", {}))
        before = await question.is_("cancelled")
        await is_resumed(stack, question, world)
        after = await question.is_("open")
        assert after["keys"] == before["keys"]
        assert await question.decide("approve")
        assert output_of(await completes(stack, question.run))["decision"] == "approve"
        assert world.asked == [f"{PATH}/with/notify/0/mail"] * 2
