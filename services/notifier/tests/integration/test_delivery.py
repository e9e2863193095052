"""The delivery protocol on a real ledger: one effect per key, or held."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kit.ledger_rows import overwrite
from kit.waiting import eventually
from visapi_common.contracts.task_messages import OnUncertain, TaskMessage
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.worker.faults import Postponed, TaskFault
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent, Unclear, communication

MakeTask = Callable[..., TaskMessage]
KEY = "a1" * 32


class Receiver:
    """Counts effects and answers by script; the last answer stays."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script) or [Sent("done")]
        self.tries = 0
        self.entered = asyncio.Event()
        self.gate: asyncio.Event | None = None

    async def __call__(self, time: Time) -> Reading:
        self.tries += 1
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def once(receiver: Receiver) -> Effect:
    return Effect("email", receiver)


def keyed(receiver: Receiver) -> Effect:
    return Effect("webhook", receiver, keyed=True)


async def test_started_is_committed_before_anything_is_sent(
    replica: Any, make_task: MakeTask, row: Any
) -> None:
    seen: list[str] = []

    async def attempt(time: Time) -> Reading:
        seen.append((await row(KEY))["state"])
        return Sent(1)

    assert await replica.deliverer.deliver(make_task(), Effect("email", attempt)) == 1
    assert seen == ["started"]
    assert (await row(KEY))["state"] == "sent"


async def test_a_second_delivery_answers_the_recorded_outcome(
    replica: Any, other_replica: Any, make_task: MakeTask
) -> None:
    receiver = Receiver(Sent({"a": [1, None, "x"]}))
    message = make_task()
    first = await replica.deliverer.deliver(message, once(receiver))
    second = await other_replica.deliverer.deliver(make_task(attempt=2, run=message.run), once(receiver))
    assert first == {"a": [1, None, "x"]}
    import msgspec

    assert first == msgspec.json.decode(msgspec.json.encode(second))
    assert receiver.tries == 1


async def test_a_large_outcome_is_recorded_by_reference_and_answered_again(
    replica: Any, make_task: MakeTask, row: Any
) -> None:
    large = "x" * 200_000
    receiver = Receiver(Sent(large))
    await replica.deliverer.deliver(make_task(), once(receiver))
    assert len((await row(KEY))["outcome"]) < 1000
    import msgspec

    assert large == msgspec.json.decode(
        msgspec.json.encode(await replica.deliverer.deliver(make_task(), once(receiver)))
    )


async def test_a_second_delivery_under_a_live_lease_is_postponed(
    replica: Any, other_replica: Any, make_task: MakeTask
) -> None:
    receiver = Receiver()
    receiver.gate = asyncio.Event()
    first = asyncio.ensure_future(replica.deliverer.deliver(make_task(), once(receiver)))
    await receiver.entered.wait()
    for _ in range(3):
        with pytest.raises(Postponed) as postponed:
            await other_replica.deliverer.deliver(make_task(), once(receiver))
        assert 0 < postponed.value.delay_s < 5
    receiver.gate.set()
    assert await first == "done"
    assert receiver.tries == 1


async def test_leases_are_renewed_while_an_effect_takes_longer(
    replica: Any, other_replica: Any, make_task: MakeTask, row: Any
) -> None:
    receiver = Receiver()
    receiver.gate = asyncio.Event()
    first = asyncio.ensure_future(replica.deliverer.deliver(make_task(), once(receiver)))
    await receiver.entered.wait()
    begun = (await row(KEY))["lease_until"]
    await eventually(lambda: replica.pool.fetchval("select lease_until > $1 from deliveries", begun))
    receiver.gate.set()
    assert await first == "done"


async def crash(replica: Any, message: TaskMessage, lapse: Any) -> None:
    """A process dies with the effect under way."""
    receiver = Receiver()
    receiver.gate = asyncio.Event()
    dying = asyncio.ensure_future(replica.deliverer.deliver(message, once(receiver)))
    await receiver.entered.wait()
    dying.cancel()
    await asyncio.wait([dying])
    await lapse()


async def test_after_a_crash_a_once_effect_is_held_and_never_repeated(
    replica: Any, other_replica: Any, make_task: MakeTask, lapse: Any, row: Any
) -> None:
    message = make_task()
    await crash(replica, message, lapse)
    receiver = Receiver()
    for attempt in (1, 1, 2, 3):
        with pytest.raises(UnknownFault):
            await other_replica.deliverer.deliver(make_task(run=message.run, attempt=attempt), once(receiver))
    assert receiver.tries == 0
    assert (await row(KEY))["state"] == "uncertain"


async def test_after_a_crash_on_uncertain_retry_repeats_it(
    replica: Any, other_replica: Any, make_task: MakeTask, lapse: Any
) -> None:
    message = make_task()
    await crash(replica, message, lapse)
    receiver = Receiver()
    with pytest.raises(UnknownFault):
        await other_replica.deliverer.deliver(message, once(receiver))
    again = make_task(run=message.run, on_uncertain=OnUncertain.RETRY)
    assert await other_replica.deliverer.deliver(again, once(receiver)) == "done"
    assert receiver.tries == 1


async def test_after_a_crash_a_keyed_effect_is_repeated_under_its_key(
    replica: Any, other_replica: Any, make_task: MakeTask, lapse: Any
) -> None:
    message = make_task()
    await crash(replica, message, lapse)
    receiver = Receiver()
    assert await other_replica.deliverer.deliver(message, keyed(receiver)) == "done"


async def test_two_replicas_at_once_send_once(replica: Any, other_replica: Any, make_task: MakeTask) -> None:
    receiver = Receiver()

    async def deliver(one: Any) -> object:
        try:
            return await one.deliverer.deliver(make_task(), once(receiver))
        except Postponed:
            return "postponed"

    answers = await asyncio.gather(*(deliver(one) for one in (replica, other_replica) * 8))
    assert receiver.tries == 1
    assert answers.count("done") >= 1


async def test_an_unknown_outcome_of_a_once_effect_is_held(
    replica: Any, make_task: MakeTask, row: Any
) -> None:
    for number, answer in enumerate((UnknownFault("lost"), Unclear("fatal_error"))):
        receiver = Receiver(answer)
        key = f"{number:064d}"
        with pytest.raises(UnknownFault):
            await replica.deliverer.deliver(make_task(key), once(receiver))
        assert receiver.tries == 1
        assert (await row(key))["state"] == "uncertain"


async def test_an_unknown_outcome_of_a_keyed_effect_faults_and_may_be_repeated_by_a_new_attempt(
    replica: Any, make_task: MakeTask
) -> None:
    receiver = Receiver(UnknownFault("lost"), Sent("done"))
    message = make_task()
    with pytest.raises(TaskFault) as fault:
        await replica.deliverer.deliver(message, keyed(receiver))
    assert fault.value.error.status == 504
    assert await replica.deliverer.deliver(make_task(run=message.run, attempt=2), keyed(receiver)) == "done"


async def test_a_definite_refusal_is_answered_again_for_its_attempt_and_tried_anew_for_the_next(
    replica: Any, make_task: MakeTask
) -> None:
    receiver = Receiver(Refused(communication(500, "no", "no", {"body": "why"})), Sent("done"))
    message = make_task()
    for _ in range(2):
        with pytest.raises(TaskFault) as fault:
            await replica.deliverer.deliver(message, once(receiver))
        assert (fault.value.error.status, fault.value.error.data) == (500, {"body": "why"})
    assert receiver.tries == 1
    assert await replica.deliverer.deliver(make_task(run=message.run, attempt=2), once(receiver)) == "done"


async def test_what_never_left_is_tried_again_within_the_process(replica: Any, make_task: MakeTask) -> None:
    receiver = Receiver(TransientFault("refused"), TransientFault("refused"), Sent("done"))
    assert await replica.deliverer.deliver(make_task(), once(receiver)) == "done"
    assert receiver.tries == 3


async def test_advice_is_obeyed_when_short_and_handed_on_when_long(replica: Any, make_task: MakeTask) -> None:
    limit = communication(429, "slow down", "slow down")
    receiver = Receiver(Refused(limit, 0.05), Sent("done"))
    assert await replica.deliverer.deliver(make_task(), once(receiver)) == "done"
    patient = Receiver(Refused(limit, 60.0))
    with pytest.raises(TaskFault) as fault:
        await replica.deliverer.deliver(make_task("b2" * 32), once(patient))
    assert fault.value.error.status == 429
    assert patient.tries == 1


async def test_a_503_is_repeated_in_process_only_under_a_key(replica: Any, make_task: MakeTask) -> None:
    busy = Refused(communication(503, "busy", "busy"), 0.05)
    assert await replica.deliverer.deliver(make_task(), keyed(Receiver(busy, Sent("done")))) == "done"
    with pytest.raises(TaskFault):
        await replica.deliverer.deliver(make_task("b2" * 32), once(Receiver(busy, Sent("done"))))


async def test_a_permanent_failure_is_not_tried_again(replica: Any, make_task: MakeTask) -> None:
    receiver = Receiver(PermanentFault("550 no such user"))
    with pytest.raises(TaskFault, match="550"):
        await replica.deliverer.deliver(make_task(), once(receiver))
    assert receiver.tries == 1


async def test_a_request_without_effect_leaves_no_record(replica: Any, make_task: MakeTask, row: Any) -> None:
    effect = Effect("http", Receiver(), keyed=True, recorded=False)
    assert await replica.deliverer.deliver(make_task(), effect) == "done"
    assert await row(KEY) is None


async def test_without_a_ledger_nothing_is_sent(replica: Any, make_task: MakeTask) -> None:
    receiver = Receiver()
    replica.pool.terminate()
    with pytest.raises(Postponed):
        await replica.deliverer.deliver(make_task(), once(receiver))
    assert receiver.tries == 0


async def test_a_lost_lease_stops_a_delivery_before_it_sends(
    replica: Any, make_task: MakeTask, row: Any
) -> None:
    receiver = Receiver(TransientFault("not yet", retry_after_s=3.5), Sent("done"))

    async def steal() -> None:
        await receiver.entered.wait()
        await overwrite(replica.pool, "deliveries", {}, lease_owner="other")

    thief = asyncio.ensure_future(steal())
    with pytest.raises(Postponed):
        await replica.deliverer.deliver(make_task(), once(receiver))
    await thief
    assert receiver.tries == 1
    assert (await row(KEY))["lease_owner"] == "other"


async def test_a_start_under_whose_lost_lease_nothing_was_sent_is_no_reason_to_hold(
    replica: Any, make_task: MakeTask, lapse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver(Sent("done"))
    with monkeypatch.context() as stalled:
        stalled.setattr(replica.leases, "valid", lambda _lease: False)
        for _ in range(2):
            with pytest.raises(Postponed):
                await replica.deliverer.deliver(make_task(), once(receiver))
            await lapse()
    assert receiver.tries == 0
    assert await replica.deliverer.deliver(make_task(), once(receiver)) == "done"
    assert receiver.tries == 1


async def test_a_start_whose_answer_was_lost_is_no_reason_to_hold(
    replica: Any, make_task: MakeTask, lapse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver(Sent("done"))
    start = replica.ledger.start

    async def commits_unheard(asked: Any) -> None:
        await start(asked)
        raise UnknownFault("PostgreSQL went away during the commit")

    with monkeypatch.context() as broken:
        broken.setattr(replica.ledger, "start", commits_unheard)
        with pytest.raises(Postponed):
            await replica.deliverer.deliver(make_task(), once(receiver))
    await lapse()
    assert await replica.deliverer.deliver(make_task(), once(receiver)) == "done"
    assert receiver.tries == 1


async def test_a_start_of_somebody_else_is_held_although_this_process_sent_nothing(
    replica: Any, other_replica: Any, make_task: MakeTask, lapse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = make_task()
    with monkeypatch.context() as stalled:
        stalled.setattr(replica.leases, "valid", lambda _lease: False)
        with pytest.raises(Postponed):
            await replica.deliverer.deliver(message, once(Receiver()))
    await lapse()
    receiver = Receiver()
    for other in (other_replica, replica):
        with pytest.raises(UnknownFault):
            await other.deliverer.deliver(message, once(receiver))
    assert receiver.tries == 0


async def test_a_try_never_outlives_the_tasks_deadline(replica: Any, make_task: MakeTask) -> None:
    given: list[float] = []

    async def attempt(time: Time) -> Reading:
        given.append(time.limit_s)
        return Sent(1)

    soon = datetime.now(UTC) + timedelta(seconds=5)
    await replica.deliverer.deliver(make_task(deadline=soon), Effect("http", attempt))
    assert 4.5 < given[0] <= 4.96


async def test_many_deliveries_at_once_share_their_commits(
    replica: Any, make_task: MakeTask, pool: Any
) -> None:
    receiver = Receiver()

    def work(number: int) -> Awaitable[object]:
        return replica.deliverer.deliver(make_task(f"{number:064d}"), once(receiver))

    assert await asyncio.gather(*(work(number) for number in range(300))) == ["done"] * 300
    assert await pool.fetchval("select count(distinct xmin::text) from deliveries") < 60
