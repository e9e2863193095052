"""`transitions.ports.Ledger`: the compare-and-set, and what is written with it."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from kit.ports import TENANT, Ground
from visapi_common.contracts.engine_messages import InboxKind, WorkflowRef
from visapi_common.contracts.runs import RunStatus
from visapi_orchestrator.transitions.relations.children import ChildRow
from visapi_orchestrator.transitions.relations.dead_letters import NewDeadLetter
from visapi_orchestrator.transitions.relations.inbox import InboxKey, InboxWrite
from visapi_orchestrator.transitions.relations.runs import EndedRun, LiveRun
from visapi_orchestrator.transitions.relations.tasks import TaskKey
from visapi_orchestrator.transitions.relations.timers import NewTimer, TimerKey
from visapi_orchestrator.transitions.rules.ledger_answers import CurrentRun, WrittenDeadLetter
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot
from visapi_orchestrator.transitions.rules.write_set import WriteSet


def live(run: UUID, revision: int = 0, state: bytes = b"{}") -> LiveRun:
    return LiveRun(run, revision, "running", 0, state)


def end(run: UUID, revision: int = 0, *, resume: bytes | None = None, status: str = "completed") -> EndedRun:
    return EndedRun(run, revision, status, 2, b'{"inline":1}', None, resume)


async def loaded(ground: Ground, run: UUID) -> RunSnapshot | None:
    return (await ground.ledger.load([run])).snapshots.get(run)


async def inbox_of(ground: Ground, run: UUID) -> list[str]:
    snapshot = await loaded(ground, run)
    return [] if snapshot is None else [row.key for row in snapshot.inbox]


async def test_an_accepted_run_is_loaded_as_it_was_accepted_with_the_time(ground: Ground):
    run = await ground.run()
    answer = await ground.ledger.load([run, uuid4()])
    (snapshot,) = answer.snapshots.values()
    assert (snapshot.run, snapshot.tenant, snapshot.status) == (run, TENANT, RunStatus.PENDING)
    assert (snapshot.revision, snapshot.seq, snapshot.state, snapshot.trusted) == (0, 0, None, True)
    assert snapshot.input is not None
    assert abs((answer.now_ms or 0) - await ground.now_ms()) < 60_000


async def test_where_no_run_is_live_there_is_no_time_either(ground: Ground):
    answer = await ground.ledger.load([uuid4()])
    assert (answer.snapshots, answer.now_ms) == ({}, None)


async def test_a_revision_is_written_once(ground: Ground):
    run = await ground.run()
    first = await ground.ledger.write(WriteSet(live=[live(run, state=b'{"a":1}')]))
    second = await ground.ledger.write(WriteSet(live=[live(run, state=b'{"b":1}')]))
    assert (set(first.done), set(second.done)) == ({run}, set())
    snapshot = await loaded(ground, run)
    assert snapshot is not None
    assert (snapshot.revision, snapshot.state, snapshot.input) == (1, b'{"a":1}', None)


async def test_of_a_run_whose_revision_moved_nothing_is_written(ground: Ground):
    run, other = await ground.run(), await ground.run()
    await ground.ledger.write(WriteSet(live=[live(run)]))
    timer = NewTimer(run, "t", await ground.now_ms() - 1000)
    message = InboxWrite(run, other, "child:1", TENANT, "child", b"{}")
    rows = WriteSet(live=[live(run), live(other)], new_timers=[timer], inbox_writes=[message])
    assert set((await ground.ledger.write(rows)).done) == {other}
    assert await ground.due.claim_timers(10) == []
    assert await inbox_of(ground, other) == []


async def test_the_age_of_a_run_is_told(ground: Ground):
    run = await ground.run()
    written = await ground.ledger.write(WriteSet(live=[live(run)]))
    assert 0 <= written.done[run] < 60


async def test_an_ended_run_is_not_live_and_leaves_no_open_work(ground: Ground):
    run = await ground.task()
    await ground.tell(run, "suspend", "suspend", {"actor": "t"})
    timer = NewTimer(run, "t", await ground.now_ms() - 1000)
    await ground.ledger.write(WriteSet(live=[live(run, 1)], new_timers=[timer]))
    await ground.ledger.write(WriteSet(ended=[end(run, 2)]))
    assert await loaded(ground, run) is None
    await ground.passes(120)
    assert await ground.tasks.overdue_functions() == []
    assert await ground.due.claim_timers(10) == []
    assert (await ground.due.claim_inbox(10)).runs == []


async def test_where_a_run_stands_is_told_live_or_ended(ground: Ground):
    run, ended = await ground.run(), await ground.run()
    await ground.ledger.write(WriteSet(live=[live(run, state=b'{"x":1}')], ended=[end(ended)]))
    assert await ground.ledger.settled([run, ended, uuid4()]) == {
        run: CurrentRun(1, b'{"x":1}'),
        ended: CurrentRun(1, None),
    }


async def test_a_task_is_replaced_by_its_next_attempt_and_removed(ground: Ground):
    run = await ground.task()
    await ground.ledger.write(WriteSet(live=[live(run, 1)], removed_tasks=[TaskKey(run, "/do/0/a")]))
    await ground.passes(120)
    assert await ground.tasks.overdue_functions() == []


async def test_a_timer_is_set_set_again_and_removed(ground: Ground):
    run, now_ms = await ground.run(), await ground.now_ms()
    await ground.ledger.write(WriteSet(live=[live(run)], new_timers=[NewTimer(run, "t", now_ms - 5000)]))
    await ground.ledger.write(WriteSet(live=[live(run, 1)], new_timers=[NewTimer(run, "t", now_ms + 60_000)]))
    assert await ground.due.claim_timers(10) == []
    await ground.passes(61)
    ((timer,),) = [messages.timers for messages in await ground.due.claim_timers(10)]
    assert timer.id == "t"
    await ground.ledger.write(WriteSet(live=[live(run, 2)], removed_timers=[TimerKey(run, "t")]))
    await ground.passes(120)
    assert await ground.due.claim_timers(10) == []


async def test_inbox_rows_are_loaded_in_their_order_and_consumed(ground: Ground):
    run = await ground.run()
    for key in ("suspend", "resume", "cancel"):
        await ground.tell(run, key, key, {"actor": "t"})
    snapshot = await loaded(ground, run)
    assert snapshot is not None
    assert [row.kind for row in snapshot.inbox] == [InboxKind.SUSPEND, InboxKind.RESUME, InboxKind.CANCEL]
    consumed = [InboxKey(run, "suspend"), InboxKey(run, "cancel")]
    await ground.ledger.write(WriteSet(live=[live(run)], consumed_inbox=consumed))
    assert await inbox_of(ground, run) == ["resume"]


async def test_the_same_command_twice_is_one_row(ground: Ground):
    run = await ground.run()
    for _ in range(2):
        await ground.tell(run, "cancel", "cancel", {"actor": "t"})
    assert await inbox_of(ground, run) == ["cancel"]


async def test_a_run_tells_another_one_unless_that_one_has_ended(ground: Ground):
    child, parent, ended = await ground.run(), await ground.run(), await ground.run()
    await ground.ledger.write(WriteSet(ended=[end(ended)]))
    told = [InboxWrite(child, one, f"child:{child}", TENANT, "child", b"{}") for one in (parent, ended)]
    await ground.ledger.write(WriteSet(live=[live(child)], inbox_writes=told))
    assert await inbox_of(ground, parent) == [f"child:{child}"]
    await ground.passes(120)
    assert set((await ground.due.claim_inbox(10)).runs) == {parent}


async def test_a_child_run_begins_as_its_parent_wants_it(ground: Ground):
    parent, child = await ground.run(), ground.ids.uuid7()
    row = ChildRow(
        run=parent,
        id=child,
        parent_path="/do/0/sub",
        tenant=TENANT,
        namespace="test",
        name="child",
        version="2.0.0",
        program="11" * 32,
        trace=None,
        input=b'{"inline":{"n":1}}',
        priority=7,
        root=parent,
        depth=1,
        created_ms=1_790_000_000_123,
        test=True,
        by_listener=False,
    )
    await ground.ledger.write(WriteSet(live=[live(parent)], children=[row]))
    snapshot = await loaded(ground, child)
    assert snapshot is not None
    assert snapshot.created_at == datetime.fromtimestamp(1_790_000_000.123, UTC)
    assert not snapshot.quiet
    assert (snapshot.parent, snapshot.parent_path, snapshot.root, snapshot.depth) == (
        parent,
        "/do/0/sub",
        parent,
        1,
    )
    assert (snapshot.program, snapshot.priority, snapshot.status) == ("11" * 32, 7, RunStatus.PENDING)


async def test_a_dead_letter_of_a_task_is_new_once_and_holds_the_task(ground: Ground):
    run = await ground.task(function="notify.email")
    letter = NewDeadLetter(
        run=run,
        tenant=TENANT,
        path="/do/0/a",
        attempt=1,
        function="notify.email",
        reason="uncertain",
        detail="?",
        held=True,
    )
    first = await ground.ledger.write(WriteSet(live=[live(run, 1)], dead_letters=[letter]))
    again = await ground.ledger.write(WriteSet(live=[live(run, 2)], dead_letters=[letter]))
    assert first.dead_letters == [WrittenDeadLetter(run, "/do/0/a", 1, "uncertain")]
    assert again.dead_letters == []
    await ground.task(function="notify.email", held=True)
    assert await ground.sent("notify.email") == {}


async def test_what_is_addressed_to_runs_that_are_not_live_is_forgotten_but_for_retries(ground: Ground):
    gone, run = ground.ids.uuid7(), await ground.run()
    for one in (gone, run):
        await ground.tell(one, "cancel", "cancel", {"actor": "t"})
    await ground.tell(gone, "retry", "retry:1", {"actor": "t"})
    await ground.ledger.forget([gone, run])
    await ground.passes(120)
    assert sorted((await ground.due.claim_inbox(10)).runs) == sorted([gone, run])


async def test_a_faulted_run_goes_on_when_a_person_asks_and_a_completed_one_does_not(ground: Ground):
    faulted, completed = await ground.run(), await ground.run()
    await ground.ledger.write(
        WriteSet(ended=[end(faulted, resume=b'{"at":1}', status="faulted"), end(completed)])
    )
    assert (await ground.ledger.revive([faulted, completed])).live == [], "nobody has asked"
    for run in (faulted, completed):
        await ground.tell(run, "retry", "retry:1", {"actor": "t"})
    assert (await ground.ledger.revive([faulted, completed])).live == [faulted]
    snapshot = await loaded(ground, faulted)
    assert snapshot is not None
    assert (snapshot.revision, snapshot.seq, snapshot.state) == (1, 2, b'{"at":1}')


async def test_the_tenant_of_a_live_run_is_known(ground: Ground):
    run = await ground.run()
    assert (await ground.ledger.tenant_of(run), await ground.ledger.tenant_of(uuid4())) == (TENANT, "")


async def test_a_workflow_that_nobody_deployed_has_no_definition(ground: Ground):
    wanted = WorkflowRef("test", "nothing", "1.0.0")
    for latest in (False, True):
        assert await ground.ledger.definition(TENANT, wanted, latest=latest) is None
