"""The ledger's answer about an effect whose redelivered task fails before its delivery."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kit.ledger_rows import plant
from kit.servers import Database
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import open_pool
from visapi_common.contracts.task_messages import OnUncertain, TaskMessage
from visapi_common.core.errors import ProblemError, UnknownFault
from visapi_common.worker.context import TaskContext
from visapi_common.worker.faults import Postponed, TaskFault
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.delivery.rules import Busy, Held, LeaseGranted, Recorded, Start
from visapi_notifier.delivery.serving import served
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent, communication

MakeTask = Callable[..., TaskMessage]


async def template_is_gone(given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
    raise ProblemError("not_found", "there is no template news", status=404)


async def redelivered(
    replica: Any, message: TaskMessage, *, repeatable: bool = False, varies: bool = False
) -> Any:
    async def ask(asked: TaskMessage) -> Any:
        return await replica.deliverer.known(asked, "email", repeatable=repeatable, varies=varies)

    task = TaskContext(message, replica.clock.now())
    return await served(template_is_gone, Mask(), ask)(msgspec.Raw(b"{}"), task)


async def test_what_was_sent_is_answered_and_what_never_started_fails_and_leaves_no_row(
    replica: Any, other_replica: Any, make_task: MakeTask, row: Any
) -> None:
    async def attempt(_: Time) -> Reading:
        return Sent("done")

    message = make_task()
    await replica.deliverer.deliver(message, Effect("email", attempt))
    later = make_task(run=message.run, attempt=2)
    assert msgspec.json.encode(await redelivered(other_replica, later)) == b'"done"'
    other = make_task("b2" * 32)
    with pytest.raises(ProblemError):
        await redelivered(other_replica, other)
    assert await row(other.effect_key) is None


async def test_what_was_refused_fails_as_it_did(
    replica: Any, other_replica: Any, make_task: MakeTask
) -> None:
    async def attempt(_: Time) -> Reading:
        return Refused(communication(550, "Refused", "no such mailbox"))

    message = make_task()
    for ask in (
        replica.deliverer.deliver(message, Effect("email", attempt)),
        redelivered(other_replica, message),
    ):
        with pytest.raises(TaskFault) as fault:
            await ask
        assert fault.value.error.status == 550


async def test_what_was_started_is_postponed_under_its_lease_and_held_afterwards(
    replica: Any, other_replica: Any, make_task: MakeTask, lapse: Any
) -> None:
    entered = asyncio.Event()

    async def attempt(_: Time) -> Reading:
        entered.set()
        return await asyncio.Future()

    message = make_task()
    dying = asyncio.ensure_future(replica.deliverer.deliver(message, Effect("email", attempt)))
    await entered.wait()
    with pytest.raises(Postponed):
        await redelivered(other_replica, message)
    dying.cancel()
    await asyncio.wait([dying])
    await lapse()
    with pytest.raises(UnknownFault):
        await redelivered(other_replica, message)
    with pytest.raises(ProblemError):
        await redelivered(other_replica, message, repeatable=True)
    with pytest.raises(ProblemError):
        await redelivered(other_replica, make_task(run=message.run, on_uncertain=OnUncertain.RETRY))


async def restore(database: Any, run: UUID) -> None:
    """The database was restored after the run began."""
    await plant(database, "restores", before=UUID(int=2**128 - 1), at=datetime.now(UTC))
    about = {"namespace": "a", "name": "b", "version": "1.0.0", "program": b"{}", "input": b"null"}
    await plant(database, "runs", id=run, tenant="default", partition=0, started_by="x", **about)


async def test_a_post_without_a_key_that_was_started_is_held_and_a_read_fails_after_a_restore_too(
    replica: Any, make_task: MakeTask, lapse: Any, postgres_db: Database
) -> None:
    run = RandomIds().uuid7()
    post, read = make_task(run=run), make_task("b2" * 32, run=run)
    await replica.ledger.start(Start(post, repeatable=False, owner="died"))
    await lapse()
    database = await open_pool(postgres_db.superuser, size=1, application="test")
    for restored in (False, True):
        if restored:
            await restore(database, run)
        with pytest.raises(UnknownFault):
            await redelivered(replica, post, varies=True)
        with pytest.raises(ProblemError):
            await redelivered(replica, read, varies=True)
    await database.close()


@pytest.mark.parametrize("restored", [False, True])
async def test_asking_answers_what_a_start_would_answer(
    replica: Any, make_task: MakeTask, postgres_db: Database, restored: bool
) -> None:
    now = datetime.now(UTC)
    database = await open_pool(postgres_db.superuser, size=1, application="test")
    run = RandomIds().uuid7()
    if restored:
        await restore(database, run)
    known: dict[str, Any] = {}
    states = ("sent", "failed", "uncertain", "started", None)
    cases = itertools.product(states, (-60, 60), (-60, 60), ("own", "other"), (1, 2), (False, True))
    for number, (state, lease_s, updated_s, owner, attempt, repeatable) in enumerate(cases):
        key = f"{number:064d}"
        if state is not None:
            lease, updated = now + timedelta(seconds=lease_s), now + timedelta(seconds=updated_s)
            row = {"state": state, "lease_owner": owner, "lease_until": lease, "updated_at": updated}
            row |= {"outcome": b"{}", "effect_key": key, "tenant": "default", "run": run}
            await plant(database, "deliveries", path="/", function="notify.email", **row)
        start = Start(make_task(key, run=run, attempt=attempt), repeatable, "own")
        known[key] = await replica.ledger.known(start)
        started = await replica.ledger.start(start)
        assert type(known[key]) is type(started), (state, lease_s, updated_s, owner, attempt, repeatable)
    assert {type(verdict) for verdict in known.values()} == {LeaseGranted, Recorded, Busy, Held}
    await database.close()
