"""Functions are announced by who owns them; streams are healed, and what is lost with one is exposed."""

import asyncio
from uuid import uuid4

import msgspec
import pytest

from kit.fakes.clocks import in_no_time
from kit.fakes.dead_letters import FakeDeadLetters
from kit.fakes.deliveries import FakeRequest
from kit.fakes.functions import FakeFunctions
from kit.fakes.nats import FakeNats
from kit.fakes.rows import FakeRows, TaskRow
from visapi_common.adapters.strays import RemovedStrays
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import FunctionSpec, Registered, Registration
from visapi_common.core.errors import ContentFault, OperatorFault, TransientFault
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.tasks.registry import Registry
from visapi_orchestrator.tasks.rules.announced import refusal_of

ECHO = FunctionSpec("acme.echo")


class World:
    def __init__(self) -> None:
        self.rows, self.metrics = FakeRows(), open_metrics()
        self.functions, self.nats = FakeFunctions(self.rows), FakeNats(self.rows)
        quarantine = Quarantine(FakeDeadLetters(self.rows), self.nats, self.metrics)
        self.registry = Registry(self.functions, self.nats, quarantine, self.metrics)

    async def runs_for(self, seconds: float = 1.0) -> None:
        loops = [
            asyncio.ensure_future(self.registry.keep_healed()),
            asyncio.ensure_future(self.registry.serve()),
        ]
        await asyncio.sleep(seconds)
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)

    def announce(self, registration: Registration, *, by: str = "default") -> FakeRequest:
        return self.send(msgspec.json.encode(registration), by=by)

    def send(self, body: bytes, *, by: str = "default") -> FakeRequest:
        asked = FakeRequest(subjects.register(by), body)
        self.registry.receive(asked)
        return asked

    def counted(self, metric: str, /, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(metric, labels) or 0.0


def answer(asked: FakeRequest) -> Registered:
    (reply,) = asked.replies
    return msgspec.json.decode(reply, type=Registered)


@pytest.fixture
def world() -> World:
    return World()


class TestAnnouncing:
    @in_no_time
    async def test_a_function_has_its_consumer_made_and_is_remembered(self, world):
        asked = world.announce(Registration("default", "w.1", [ECHO]))
        await world.runs_for()
        assert answer(asked).consumers == {"acme.echo": "fn-default-acme-echo"}
        assert [(one.owner, one.name) for one in await world.functions.functions()] == [
            ("default", "acme.echo")
        ]

    @in_no_time
    async def test_is_answered_only_once_there_are_streams(self, world):
        world.nats.faults.plan("heal", *[TransientFault("NATS is away")] * 3)
        asked = world.announce(Registration("default", "w.1", [ECHO]))
        await world.runs_for(1.4)
        assert asked.replies == []
        await world.runs_for(0.2)
        assert answer(asked).error is None

    @in_no_time
    async def test_in_the_name_of_another_is_refused(self, world):
        asked = world.announce(Registration("other", "w.1", [ECHO]), by="default")
        await world.runs_for()
        assert "in the name of 'other', but was sent on the subject of 'default'" in (
            answer(asked).error or ""
        )
        assert await world.functions.functions() == []

    @in_no_time
    async def test_by_a_tenant_that_does_not_exist_is_refused(self, world):
        asked = world.announce(Registration("nobody", "w.1", [ECHO]), by="nobody")
        await world.runs_for()
        assert answer(asked).error == "there is no tenant 'nobody'"

    @in_no_time
    async def test_more_functions_than_a_tenant_may_have_is_refused(self, world):
        await world.functions.register("default", [FunctionSpec(f"acme.f{number}") for number in range(1000)])
        asked = world.announce(Registration("default", "w.1", [ECHO]))
        await world.runs_for()
        assert answer(asked).error == "default would have 1001 functions; a tenant has at most 1000"

    @in_no_time
    async def test_what_cannot_be_read_is_refused_and_counted(self, world):
        asked = world.send(b"\xff")
        await world.runs_for()
        assert "cannot be read" in (answer(asked).error or "")
        assert world.counted("visapi_messages_unreadable_total", kind="registration") == 1

    @in_no_time
    async def test_what_nats_refuses_is_refused_with_its_reason(self, world):
        world.nats.faults.plan("ensure_function", ContentFault("the consumer name is too long"))
        asked = world.announce(Registration("default", "w.1", [ECHO]))
        await world.runs_for()
        assert answer(asked).error == "the consumer name is too long"

    @in_no_time
    async def test_of_the_built_in_workers_is_not_lost_behind_those_of_a_tenant(self, world):
        flood = [world.announce(Registration("default", f"w.{number}", [ECHO])) for number in range(2000)]
        builtin = world.announce(Registration("_", "pdf.1", [FunctionSpec("pdf.render")]), by="_")
        repeated = world.announce(Registration("default", "w.0", [ECHO]))
        await world.runs_for()
        assert answer(builtin).consumers == {"pdf.render": "fn-builtin-pdf-render"}
        assert answer(repeated).error is None
        assert len([one for one in flood if one.replies]) == 63

    @in_no_time
    async def test_is_answered_in_turns_of_the_owners(self, world):
        order: list[str] = []
        for number in range(3):
            for owner in ("default", "_"):
                asked = world.announce(Registration(owner, f"w.{number}", []), by=owner)
                asked.respond = lambda _, owner=owner: order.append(owner)
                if owner == "default":
                    more = world.announce(Registration(owner, f"more.{number}", []), by=owner)
                    more.respond = lambda _: order.append("default")
        await world.runs_for()
        assert order == ["default", "_"] * 3 + ["default"] * 3

    @in_no_time
    async def test_for_whose_answer_nobody_waits_is_dropped(self, world):
        asked = world.announce(Registration("default", "w.1", [ECHO]))
        forged = FakeRequest(subjects.register("default"), b'{"stream":"EVENTS","seq":1}')
        forged.answerable = False
        world.registry.receive(forged)
        await world.runs_for()
        assert (answer(asked).error, forged.replies) == (None, [])

    @in_no_time
    async def test_while_the_stream_is_gone_has_no_answer_and_heals_it(self, world):
        await world.runs_for()
        world.nats.faults.plan("ensure_function", TransientFault("there is no stream TASKS"))
        world.nats.lose(subjects.STREAM_TASKS)
        asked = world.announce(Registration("default", "w.1", [ECHO]))
        await world.runs_for(0.1)
        assert asked.replies == []
        again = world.announce(Registration("default", "w.1", [ECHO]))
        await world.runs_for(0.1)
        assert answer(again).error is None
        assert world.counted("visapi_streams_recreated_total", stream=subjects.STREAM_TASKS) == 1


@pytest.mark.parametrize(
    ("owner", "function", "why"),
    [
        ("a b", ECHO, "is no tenant"),
        ("default", FunctionSpec("pdf.render"), "names that begin with pdf. are VisAPI's own"),
        ("_", ECHO, "is no function of VisAPI's own"),
        ("default", FunctionSpec("human.approve"), "carried out by the engine itself"),
        ("default", FunctionSpec("acme.echo", concurrency=0), "concurrency is 0"),
        ("default", FunctionSpec("acme.echo", version="a b"), "is no version"),
        ("default", FunctionSpec("acme.*.>"), "acme.*.>"),
    ],
)
def test_a_function_is_refused_with_the_reason(owner: str, function: FunctionSpec, why: str) -> None:
    assert why in (refusal_of(owner, [function]) or "")


def test_a_function_of_its_owner_is_not_refused() -> None:
    assert refusal_of("default", [ECHO]) is None
    assert refusal_of("_", [FunctionSpec("pdf.render")]) is None


class TestHealing:
    @in_no_time
    async def test_makes_the_consumers_of_all_functions(self, world):
        await world.functions.register("default", [ECHO])
        await world.functions.register("_", [FunctionSpec("pdf.render")])
        await world.runs_for()
        assert await world.nats.tasks_queued("pdf.render") == 0

    @in_no_time
    async def test_of_a_new_tasks_stream_exposes_the_tasks_that_were_in_it(self, world):
        await world.runs_for()
        now_ms = world.rows.now_ms
        row = TaskRow("default", 1, "acme.echo", "", "", b"{}", now_ms, now_ms + 60_000, now_ms, sweeps=3)
        world.rows.tasks[uuid4(), "/a"] = row
        world.nats.lose(subjects.STREAM_TASKS)
        world.registry.heal_soon()
        await world.runs_for()
        assert (row.sweep_ms, row.sweeps) == (now_ms, 0)

    @in_no_time
    async def test_that_removes_strays_is_an_alarm_and_exposes_the_tasks(self, world):
        await world.runs_for()
        now_ms = world.rows.now_ms
        row = TaskRow("default", 1, "acme.echo", "", "", b"{}", now_ms, now_ms + 60_000, now_ms, sweeps=3)
        world.rows.tasks[uuid4(), "/a"] = row
        world.nats.removes = [RemovedStrays(subjects.STREAM_TASKS, ["visapi.tasks.nobody.x"], 60_000)]
        world.registry.heal_soon()
        await world.runs_for()
        assert (row.sweep_ms, row.sweeps) == (now_ms, 0)
        assert world.counted("visapi_streams_recreated_total", stream=subjects.STREAM_TASKS) == 1

    @in_no_time
    async def test_goes_on_where_strays_cannot_be_removed(self, world):
        world.nats.faults.plan("remove_strays", TransientFault("no answer"))
        waiting = asyncio.ensure_future(world.registry.wait_healed())
        await world.runs_for()
        assert waiting.done()

    @in_no_time
    async def test_of_the_first_streams_exposes_nothing_and_raises_no_alarm(self, world):
        await world.runs_for()
        for name in (subjects.STREAM_TASKS, subjects.STREAM_EVENTS):
            assert world.counted("visapi_streams_recreated_total", stream=name) == 0

    @in_no_time
    async def test_of_a_new_events_stream_is_an_alarm(self, world):
        await world.runs_for()
        world.nats.lose(subjects.STREAM_EVENTS)
        await world.runs_for()
        assert world.counted("visapi_streams_recreated_total", stream=subjects.STREAM_EVENTS) == 1

    @in_no_time
    async def test_sets_aside_a_function_that_cannot_be_made_and_makes_the_others(self, world):
        world.functions.put_raw("default", "acme.garbled", b"\xff{")
        world.functions.put_raw("", "acme.of-nobody", msgspec.json.encode(ECHO))
        await world.functions.register("_", [FunctionSpec("pdf.render")])
        await world.runs_for()
        assert {letter.item[1] for letter in world.rows.dead_letters} == {"acme.garbled", "acme.of-nobody"}
        assert await world.nats.tasks_queued("pdf.render") == 0

    @in_no_time
    async def test_is_tried_again_until_it_holds_whatever_the_operator_has_to_mend(self, world):
        world.nats.faults.plan("heal", OperatorFault("no rights", sort="nats"), TransientFault("away"))
        waiting = asyncio.ensure_future(world.registry.wait_healed())
        await world.runs_for(0.4)
        assert not waiting.done()
        await world.runs_for(1)
        assert waiting.done()

    @in_no_time
    async def test_happens_every_half_minute_and_at_once_when_asked_for(self, world):
        healing = asyncio.ensure_future(world.registry.keep_healed())
        await asyncio.sleep(1)
        world.nats.lose(subjects.STREAM_TASKS)
        await asyncio.sleep(28)
        assert world.counted("visapi_streams_recreated_total", stream=subjects.STREAM_TASKS) == 0
        await asyncio.sleep(2)
        assert world.counted("visapi_streams_recreated_total", stream=subjects.STREAM_TASKS) == 1
        world.nats.lose(subjects.STREAM_TASKS)
        world.registry.heal_soon()
        await asyncio.sleep(0.1)
        assert world.counted("visapi_streams_recreated_total", stream=subjects.STREAM_TASKS) == 2
        healing.cancel()


@in_no_time
async def test_an_announcement_of_a_later_release_is_left_unanswered_for_a_newer_replica(world):
    body = msgspec.json.encode({"tenant": "default", "worker": "w", "functions": {"acme.echo": {}}, "v": 2})
    newer, known = world.send(body), world.announce(Registration("default", "v", [ECHO]))
    await world.runs_for()
    assert (newer.replies, list(answer(known).consumers)) == ([], ["acme.echo"])
