"""`events.lifecycle_relay.History`: read in the order of commits, by one replica, up to a mark."""

from uuid import UUID

import msgspec
import pytest

from kit.ports import TENANT, Ground
from visapi_common.core.event_keys import shape_and_key
from visapi_orchestrator.events.rules.lifecycle import LifecycleEvent, events_of
from visapi_orchestrator.transitions.relations.history import HistoryRow
from visapi_orchestrator.transitions.relations.runs import LiveRun
from visapi_orchestrator.transitions.relations.subscriptions import SubscriptionRow
from visapi_orchestrator.transitions.rules.write_set import WriteSet

STARTED = "workflow.started"


async def told(ground: Ground, *types: str, run: UUID | None = None, revision: int = 0) -> UUID:
    """One transition with these history items."""
    of = run or await ground.run()
    first = revision * 10 + 1
    items = [{"seq": first + n, "type": kind, "time": "2026-01-01T12:00:00Z"} for n, kind in enumerate(types)]
    row = HistoryRow(of, first, first + len(types) - 1, msgspec.json.encode(items))
    await ground.ledger.write(
        WriteSet(live=[LiveRun(of, revision, "running", row.last_seq, b"{}")], history=[row])
    )
    return of


async def listens(ground: Ground, kind: str) -> UUID:
    run = await ground.run()
    row = SubscriptionRow(run, "/do/0/l", 0, TENANT, *shape_and_key({"type": kind}))
    await ground.ledger.write(WriteSet(live=[LiveRun(run, 0, "waiting", 0, b"{}")], subscriptions=[row]))
    return run


async def read(ground: Ground, limit: int = 100, *, tasks: bool = True) -> tuple[list[UUID], bool]:
    """The runs of the rows after the mark; the mark moves."""
    async with ground.history.lease() as lease:
        assert lease is not None
        rows, more = await lease.read(limit, tasks=tasks)
        await lease.move_on()
    return [row.run for row in rows], more


async def test_rows_are_read_once_in_the_order_of_their_commits(ground: Ground):
    runs = [await told(ground, STARTED) for _ in range(3)]
    assert await read(ground) == (runs, False)
    assert await read(ground) == ([], False)
    later = await told(ground, STARTED)
    assert await read(ground) == ([later], False)


async def test_a_batch_is_bounded_and_says_that_there_is_more(ground: Ground):
    runs = [await told(ground, STARTED) for _ in range(3)]
    assert await read(ground, 2) == (runs[:2], True)
    assert await read(ground, 2) == (runs[2:], False)


async def test_rows_of_tasks_alone_are_passed_over_where_nobody_asks_for_them(ground: Ground):
    run = await told(ground, STARTED)
    await told(ground, "task.created", run=run, revision=1)
    await told(ground, "task.completed", "workflow.completed", run=run, revision=2)
    assert await read(ground, tasks=False) == ([run, run], False)


async def test_one_replica_reads_at_a_time(ground: Ground):
    async with ground.history.lease() as first, ground.history.lease() as second:
        assert (first is not None, second) == (True, None)
    assert await read(ground) == ([], False)


async def test_after_a_failure_the_mark_is_where_it_was_and_nobody_was_notified(ground: Ground):
    run = await told(ground, STARTED)
    await listens(ground, f"io.serverlessworkflow.{STARTED}.v1")

    async def fail() -> None:
        async with ground.history.lease() as lease:
            assert lease is not None
            rows, _ = await lease.read(10, tasks=True)
            assert await lease.notify(events_of(rows, await lease.origins(rows), tasks=True))
            await lease.move_on()
            raise ValueError

    with pytest.raises(ValueError):
        await fail()
    assert await read(ground) == ([run], False)
    await ground.passes(3)
    assert (await ground.due.claim_inbox(10)).runs == []


async def test_whose_history_it_is_is_told(ground: Ground):
    run = await told(ground, STARTED)
    async with ground.history.lease() as lease:
        assert lease is not None
        rows, _ = await lease.read(10, tasks=True)
        (origin,) = (await lease.origins(rows)).values()
    assert (rows[0].tenant, origin.workflow.name, origin.parent, origin.by_event) == (
        TENANT,
        "flow",
        None,
        False,
    )
    assert rows[0].run == run


async def test_listeners_are_notified_once_and_never_of_themselves(ground: Ground):
    kind = f"io.serverlessworkflow.{STARTED}.v1"
    listener = await listens(ground, kind)
    await told(ground, STARTED, run=listener, revision=1)
    await told(ground, STARTED)
    async with ground.history.lease() as lease:
        assert lease is not None
        rows, _ = await lease.read(10, tasks=True)
        events: list[LifecycleEvent] = events_of(rows, await lease.origins(rows), tasks=True)
        assert len(events) == 2
        assert await lease.notify(events) == [listener]
        assert await lease.notify(events) in ([], [listener])
    snapshot = (await ground.ledger.load([listener])).snapshots[listener]
    assert [row.kind for row in snapshot.inbox] == ["event"]


async def test_the_mark_can_be_moved_past_everything(ground: Ground):
    await told(ground, STARTED)
    await ground.history.skip()
    assert await read(ground) == ([], False)
