"""Batches: everything that waits, started work first, a run in one batch at a time."""

import asyncio
import itertools
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest

from kit.fakes.clocks import in_no_time
from kit.fakes.deliveries import FakeDelivery, FakeSource
from kit.fakes.lanes import FakeLanes
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxHint, Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.core.keyrings import Keyring
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.batches.pump import Pump
from visapi_orchestrator.batches.reading import Intake
from visapi_orchestrator.kernel.rules.messages import DueTimer, RunMessages

BATCH_MAX = 32


class Pumping:
    """A pump with its lanes, sources and what it took."""

    def __init__(self) -> None:
        self.results, self.triggers, self.lanes = FakeSource(), FakeSource(), FakeLanes()
        metrics = open_metrics()
        self.pump = Pump(
            results=self.results,
            triggers=self.triggers,
            intake=Intake(
                keys=Keyring.of(b"k" * 32), metrics=metrics, beat=lambda _: None, unreadable=lambda *_: None
            ),
            transitions=self.lanes,
            metrics=metrics,
            batch_max=BATCH_MAX,
        )
        self._tasks: list[asyncio.Future[None]] = []

    def begin(self, lanes: int = 1) -> None:
        self._tasks = [asyncio.ensure_future(lane()) for lane in self.pump.lanes(lanes)]

    async def idle(self) -> None:
        """Until nothing happens without something new."""
        await asyncio.sleep(1)

    async def end(self) -> None:
        self.pump.stop()
        await asyncio.gather(*self._tasks)


@pytest.fixture
def pumping() -> Pumping:
    return Pumping()


def hint(run: UUID) -> FakeDelivery:
    return FakeDelivery(subjects.inbox(run), msgspec.json.encode(InboxHint(run)))


def trigger(tenant: str = "default") -> FakeDelivery:
    one = Trigger(
        uuid4(), tenant, WorkflowRef("n", "w", "1.0.0"), "00", NULL, datetime(2026, 1, 1, tzinfo=UTC)
    )
    return FakeDelivery(subjects.trigger(one.run), msgspec.json.encode(one))


@in_no_time
async def test_a_message_at_rest_travels_alone_and_at_once(pumping):
    pumping.begin()
    await pumping.idle()
    run = uuid4()
    pumping.results.arrive(hint(run))
    await pumping.idle()
    assert [pumping.lanes.runs(0), pumping.lanes.apart] == [[run], [False]]
    await pumping.end()


@in_no_time
async def test_messages_of_one_run_go_together_in_one_batch(pumping):
    run = uuid4()
    pumping.results.arrive(hint(run), hint(run))
    pumping.pump.put([RunMessages(run, timers=[DueTimer("t", 1)])])
    pumping.begin(2)
    await pumping.idle()
    ((messages,),) = pumping.lanes.batches
    assert (messages.has_waiting_rows, len(messages.timers), len(messages.receipts)) == (True, 1, 2)
    await pumping.end()


@in_no_time
async def test_what_arrives_for_a_run_that_is_advanced_waits_for_the_next_batch(pumping):
    pumping.lanes.closed = True
    pumping.begin(2)
    run, other = uuid4(), uuid4()
    pumping.results.arrive(hint(run))
    await pumping.idle()
    pumping.results.arrive(hint(run), hint(other))
    await pumping.idle()
    assert [pumping.lanes.runs(0), pumping.lanes.runs(1)] == [[run], [other]]
    pumping.lanes.let_go(0)
    await pumping.idle()
    assert pumping.lanes.runs(2) == [run]
    for number in (1, 2):
        pumping.lanes.let_go(number)
    await pumping.end()


@in_no_time
async def test_a_run_that_is_settled_before_its_batch_is_free_at_once(pumping):
    pumping.lanes.closed = True
    pumping.begin(2)
    quick, slow = uuid4(), uuid4()
    pumping.results.arrive(hint(quick), hint(slow))
    await pumping.idle()
    pumping.results.arrive(hint(quick), hint(slow))
    await pumping.idle()
    assert len(pumping.lanes.batches) == 1
    pumping.lanes.frees[0]([one for one in pumping.lanes.batches[0] if one.run == quick])
    await pumping.idle()
    assert pumping.lanes.runs(1) == [quick]
    for number in (0, 1):
        pumping.lanes.let_go(number)
    await pumping.idle()
    assert pumping.lanes.runs(2) == [slow]
    pumping.lanes.let_go(2)
    await pumping.end()


@in_no_time
async def test_started_work_goes_first_but_a_sixteenth_of_each_batch_is_for_triggers(pumping):
    pumping.results.arrive(*(hint(uuid4()) for _ in range(100)))
    new = [trigger() for _ in range(10)]
    pumping.triggers.arrive(*new)
    pumping.begin()
    await pumping.idle()
    first = pumping.lanes.batches[0]
    assert (len(first), sum(one.trigger is not None for one in first)) == (BATCH_MAX, BATCH_MAX // 16)
    assert sum(map(len, pumping.lanes.batches)) == 110
    await pumping.end()


@in_no_time
async def test_triggers_are_taken_round_robin_over_tenants(pumping):
    pumping.triggers.arrive(*(trigger("big") for _ in range(200)), trigger("small"))
    pumping.begin()
    await pumping.idle()
    tenants = [one.trigger.tenant for one in pumping.lanes.batches[0] if one.trigger is not None]
    assert "small" in tenants[:2]
    await pumping.end()


@in_no_time
async def test_pending_runs_from_the_ledger_are_advanced_and_counted_until_then(pumping):
    runs = [uuid4() for _ in range(3)]
    pumping.pump.put_pending([("t", run) for run in runs])
    assert (pumping.pump.starting, pumping.pump.started, pumping.pump.backlog) == (3, 0, 3)
    pumping.begin()
    await pumping.idle()
    assert (sorted(pumping.lanes.runs(0)), pumping.pump.backlog) == (sorted(runs), 0)
    await pumping.end()


@in_no_time
async def test_after_a_fault_a_lane_pauses_longer_each_time_and_at_most_two_seconds(pumping):
    pumping.lanes.well = False
    loop = asyncio.get_running_loop()
    began: list[float] = []
    run = uuid4()
    pumping.begin()
    for _ in range(8):
        pumping.pump.put([RunMessages(run, has_waiting_rows=True)])
        while len(pumping.lanes.batches) == len(began):
            await asyncio.sleep(0.01)
        began.append(loop.time())
    pauses = [round(later - earlier, 1) for earlier, later in itertools.pairwise(began)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    await pumping.end()


@in_no_time
async def test_slow_runs_have_a_lane_of_their_own_and_stay_busy_until_they_are_advanced(pumping):
    pumping.begin()
    run = uuid4()
    pumping.lanes.closed = True
    pumping.results.arrive(hint(run))
    await pumping.idle()
    put_off = pumping.lanes.batches[0]
    pumping.lanes.slow_runs.put([("t", one) for one in put_off])
    pumping.lanes.frees[0](put_off)
    pumping.lanes.let_go(0)
    pumping.results.arrive(hint(run))
    await pumping.idle()
    assert (pumping.lanes.runs(1), pumping.lanes.apart) == ([run], [False, True])
    assert len(pumping.lanes.batches) == 2, "what came for the run meanwhile waits"
    pumping.lanes.let_go(1)
    await pumping.idle()
    assert (pumping.lanes.runs(2), pumping.lanes.apart[2]) == ([run], False)
    pumping.lanes.let_go(2)
    await pumping.end()


@in_no_time
async def test_a_stopped_pump_ends_its_lanes_after_what_they_hold_and_hands_the_rest_back(pumping):
    pumping.lanes.closed = True
    pumping.begin()
    run, unseen = uuid4(), FakeDelivery()
    pumping.results.arrive(hint(run))
    await pumping.idle()
    pumping.pump.put([RunMessages(uuid4(), has_waiting_rows=True, receipts=[unseen])])
    pumping.pump.stop()
    pumping.lanes.let_go(0)
    await pumping.end()
    pumping.pump.hand_back()
    assert (len(pumping.lanes.batches), unseen.fate) == (1, ["nak"])


@in_no_time
async def test_beside_a_backlog_a_tenant_without_one_has_a_small_batch_of_its_own(pumping):
    pumping.lanes.closed = True
    pumping.lanes.usage.note(["big"] * 100)
    pumping.results.arrive(*(hint(uuid4()) for _ in range(4 * BATCH_MAX)))
    pumping.triggers.arrive(*(trigger("big") for _ in range(20)))
    pumping.begin(2)
    await pumping.idle()
    assert [len(batch) for batch in pumping.lanes.batches] == [BATCH_MAX, BATCH_MAX]
    small = trigger("small")
    pumping.triggers.arrive(small)
    await pumping.idle()
    (messages,) = pumping.lanes.batches[2]
    assert messages.trigger is not None
    assert messages.trigger.tenant == "small"
    for number in range(3):
        pumping.lanes.let_go(number)
    pumping.lanes.closed = False
    await pumping.end()


@in_no_time
async def test_without_a_backlog_everybody_goes_in_the_usual_batches(pumping):
    pumping.lanes.closed = True
    pumping.lanes.usage.note(["big"] * 100)
    pumping.results.arrive(*(hint(uuid4()) for _ in range(BATCH_MAX + 5)))
    pumping.begin(1)
    await pumping.idle()
    pumping.triggers.arrive(trigger("small"))
    await pumping.idle()
    assert len(pumping.lanes.batches) == 1
    pumping.lanes.let_go(0)
    await pumping.idle()
    assert len(pumping.lanes.batches[1]) == 6
    pumping.lanes.let_go(1)
    await pumping.end()
