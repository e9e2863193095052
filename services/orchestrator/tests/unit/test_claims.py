"""Workers ask before they start what may happen only once; one of them gets it."""

import asyncio
from uuid import UUID, uuid4

import msgspec
import pytest

from kit.fakes.clocks import in_no_time
from kit.fakes.deliveries import FakeRequest
from kit.fakes.rows import FakeRows, TaskRow
from kit.fakes.tasks import FakeTasks
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import Claim, ClaimAnswer, ClaimVerdict
from visapi_common.core.effect_key import task_token
from visapi_common.core.errors import PermanentFault, TransientFault
from visapi_common.core.keyrings import Keyring
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.tasks.claims import Claims

SECRET = b"k" * 32
PATH = "/do/0/a"


class World:
    def __init__(self) -> None:
        self.rows = FakeRows()
        self.tasks, self.metrics = FakeTasks(self.rows), open_metrics()
        self.claims = Claims(self.tasks, Keyring.of(SECRET), self.metrics)

    def task(self, function: str = "acme.send", attempt: int = 1) -> UUID:
        run = uuid4()
        now_ms = self.rows.now_ms
        self.rows.tasks[run, PATH] = TaskRow(
            "default", attempt, function, "ab" * 32, "t", b"{}", now_ms, now_ms, now_ms
        )
        return run

    def ask(
        self,
        run: UUID,
        worker: str = "w.1",
        *,
        attempt: int = 1,
        token: str | None = None,
        by: str = "default",
    ) -> FakeRequest:
        given = token or task_token(SECRET, run, PATH, attempt)
        body = msgspec.json.encode(Claim(run, PATH, attempt, given, worker))
        asked = FakeRequest(subjects.claim(by), body)
        self.claims.receive(asked)
        return asked

    async def decide(self, seconds: float = 1.0) -> None:
        deciding = asyncio.ensure_future(self.claims.run())
        await asyncio.sleep(seconds)
        deciding.cancel()
        await asyncio.wait([deciding])


def verdict(asked: FakeRequest) -> ClaimVerdict:
    (reply,) = asked.replies
    return msgspec.json.decode(reply, type=ClaimAnswer).verdict


@pytest.fixture
def world() -> World:
    return World()


@in_no_time
async def test_the_first_who_asks_gets_the_task(world):
    run = world.task()
    asked = world.ask(run)
    await world.decide()
    row = world.rows.tasks[run, PATH]
    assert (verdict(asked), row.state, row.claimed_by) == (ClaimVerdict.GRANTED, "started", "w.1")


@in_no_time
async def test_the_same_worker_is_granted_it_again_and_another_one_is_not(world):
    run = world.task()
    first, repeated, other = world.ask(run), world.ask(run), world.ask(run, "w.2")
    await world.decide()
    assert [verdict(one) for one in (first, repeated, other)] == [
        ClaimVerdict.GRANTED,
        ClaimVerdict.GRANTED,
        ClaimVerdict.UNCERTAIN,
    ]
    (claims,) = world.tasks.claims
    assert len(claims) == 1, "one claim per attempt and statement"


@in_no_time
async def test_what_waits_is_decided_by_one_statement(world):
    asked = [world.ask(world.task()) for _ in range(300)]
    await world.decide()
    assert [len(claims) for claims in world.tasks.claims] == [256, 44]
    assert {verdict(one) for one in asked} == {ClaimVerdict.GRANTED}


@in_no_time
async def test_a_task_that_nobody_wants_any_more_is_gone(world):
    asked = [world.ask(uuid4()), world.ask(world.task(attempt=2), attempt=1)]
    await world.decide()
    assert [verdict(one) for one in asked] == [ClaimVerdict.GONE] * 2


@in_no_time
async def test_who_asks_for_the_task_of_another_owner_is_told_that_it_is_gone(world):
    run = world.task("notify.email")
    stranger, owner = world.ask(run), world.ask(run, by=subjects.BUILTIN)
    await world.decide()
    assert (verdict(stranger), verdict(owner)) == (ClaimVerdict.GONE, ClaimVerdict.GRANTED)


@in_no_time
async def test_a_claim_without_the_tasks_token_gets_no_answer(world):
    run = world.task()
    asked = [world.ask(run, token=token) for token in ("0" * 64, "größe")]
    await world.decide()
    assert [one.replies for one in asked] == [[], []]
    assert world.rows.tasks[run, PATH].state == "queued"


@in_no_time
async def test_a_claim_that_cannot_be_read_gets_no_answer_and_is_counted(world):
    garbage = FakeRequest(subjects.claim("default"), b"\xff{")
    world.claims.receive(garbage)
    run = world.task()
    asked = world.ask(run)
    await world.decide()
    assert (garbage.replies, verdict(asked)) == ([], ClaimVerdict.GRANTED)
    counted = world.metrics.registry.get_sample_value("visapi_messages_unreadable_total", {"kind": "claim"})
    assert counted == 1


@in_no_time
async def test_while_postgresql_is_away_nobody_is_answered_and_who_asks_again_is(world):
    run = world.task()
    world.tasks.faults.plan("claim", TransientFault("away"))
    lost = world.ask(run)
    await world.decide()
    assert lost.replies == []
    again = world.ask(run)
    await world.decide()
    assert verdict(again) is ClaimVerdict.GRANTED


@in_no_time
async def test_a_claim_that_postgresql_refuses_keeps_no_neighbour_waiting(world):
    asked = [world.ask(world.task()) for _ in range(4)]
    refused = PermanentFault("22P05: untranslatable character")
    # The batch, its first half, and the first claim.
    world.tasks.faults.plan("claim", refused, refused, refused)
    await world.decide()
    assert [len(one.replies) for one in asked] == [0, 1, 1, 1]
