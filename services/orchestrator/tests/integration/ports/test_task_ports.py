"""Rows of open tasks, as sweeps, releases, heartbeats and claims need them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from kit.ports import TENANT, Ground
from visapi_common.contracts.task_messages import Claim, FunctionSpec
from visapi_orchestrator.transitions.relations.runs import LiveRun
from visapi_orchestrator.transitions.relations.tasks import NewTask
from visapi_orchestrator.transitions.rules.open_tasks import StoredTask
from visapi_orchestrator.transitions.rules.write_set import WriteSet

PATH = "/do/0/a"
PDF = "pdf.render"


def runs_of(tasks: list[StoredTask]) -> set[UUID]:
    return {task.run for task in tasks}


class TestTheSweep:
    async def test_a_task_is_overdue_two_seconds_after_it_was_sent(self, ground: Ground):
        await ground.task()
        assert await ground.tasks.overdue_functions() == []
        await ground.passes(3)
        assert await ground.tasks.overdue_functions() == [(TENANT, "acme.a")]

    async def test_a_held_task_is_not(self, ground: Ground):
        await ground.task(function=PDF, held=True)
        await ground.passes(120)
        assert await ground.tasks.overdue_functions() == []

    async def test_a_lost_task_is_claimed_once_and_again_later(self, ground: Ground):
        run = await ground.task()
        await ground.passes(3)
        (task,) = await ground.tasks.claim_lost(10, TENANT, "acme.a", None)
        assert (task.run, task.path, task.attempt, task.send, task.body) == (run, PATH, 1, 1, b"{}")
        assert await ground.tasks.claim_lost(10, TENANT, "acme.a", None) == []
        await ground.passes(61)
        (again,) = await ground.tasks.claim_lost(10, TENANT, "acme.a", None)
        assert again.send == 2

    async def test_a_task_sent_after_the_oldest_message_is_not_lost(self, ground: Ground):
        run = await ground.task()
        await ground.passes(30)
        sent_ms = await ground.now_ms() - 30_000
        earlier = datetime.fromtimestamp(sent_ms / 1000, UTC) - timedelta(seconds=10)
        assert await ground.tasks.claim_lost(10, TENANT, "acme.a", earlier) == []
        later = earlier + timedelta(seconds=20)
        assert runs_of(await ground.tasks.claim_lost(10, TENANT, "acme.a", later)) == {run}

    async def test_no_more_are_claimed_than_asked_for(self, ground: Ground):
        runs = {await ground.task() for _ in range(3)}
        await ground.passes(3)
        first = await ground.tasks.claim_lost(2, TENANT, "acme.a", None)
        rest = await ground.tasks.claim_lost(2, TENANT, "acme.a", None)
        assert (len(first), runs_of(first) | runs_of(rest)) == (2, runs)

    async def test_a_task_with_a_recent_heartbeat_is_at_work(self, ground: Ground):
        run = await ground.task()
        await ground.passes(3)
        await ground.tasks.beat([(run, PATH, 1), (run, "/elsewhere", 1)])
        assert await ground.tasks.overdue_functions() == []
        assert await ground.tasks.claim_lost(10, TENANT, "acme.a", None) == []
        await ground.passes(11)
        assert await ground.tasks.overdue_functions() == [(TENANT, "acme.a")]

    async def test_a_heartbeat_of_another_attempt_says_nothing(self, ground: Ground):
        run = await ground.task()
        await ground.passes(3)
        await ground.tasks.beat([(run, PATH, 2)])
        assert await ground.tasks.overdue_functions() == [(TENANT, "acme.a")]

    async def test_what_is_postponed_is_looked_at_later(self, ground: Ground):
        await ground.task()
        await ground.passes(3)
        await ground.tasks.postpone(10, TENANT, "acme.a")
        assert await ground.tasks.overdue_functions() == []
        await ground.passes(3)
        assert await ground.tasks.overdue_functions() == [(TENANT, "acme.a")]

    async def test_tasks_of_a_lost_stream_are_exposed_at_once(self, ground: Ground):
        run = await ground.task()
        held = await ground.task(function=PDF, held=True)
        await ground.functions.expose_tasks()
        assert await ground.tasks.overdue_functions() == [(TENANT, "acme.a")]
        (task,) = await ground.tasks.claim_lost(10, TENANT, "acme.a", None)
        assert task.run == run
        assert await ground.tasks.held_tenants(PDF, 10) == {TENANT: 1}
        assert held != run


class TestReleases:
    async def test_held_tasks_are_counted_by_tenant_up_to_a_bound(self, ground: Ground):
        for tenant, number in (("big", 3), ("small", 1)):
            for _ in range(number):
                await ground.task(tenant=tenant, function=PDF, held=True)
        assert await ground.tasks.held_functions() == [PDF]
        assert await ground.tasks.held_tenants(PDF, 10) == {"big": 3, "small": 1}
        assert await ground.tasks.held_tenants(PDF, 2) == {"big": 2, "small": 1}
        assert await ground.tasks.held_tenants("notify.email", 10) == {}

    async def test_so_many_are_released_of_each_tenant_and_then_they_count_as_sent(self, ground: Ground):
        first = await ground.task(tenant="big", function=PDF, held=True)
        await ground.passes(1)
        second = await ground.task(tenant="big", function=PDF, held=True)
        small = await ground.task(tenant="small", function=PDF, held=True)
        released = await ground.tasks.release(PDF, {"big": 1, "small": 5})
        assert runs_of(released) == {first, small}
        assert {task.send for task in released} == {0}
        assert await ground.sent(PDF) == {"big": 1, "small": 1}
        assert await ground.tasks.held_tenants(PDF, 10) == {"big": 1}
        assert second not in runs_of(released)

    async def test_tasks_of_a_tenants_own_function_take_no_shared_slots(self, ground: Ground):
        await ground.task()
        await ground.task(held=True)
        assert await ground.sent("acme.a") == {}

    async def test_a_released_task_is_swept_from_then_on(self, ground: Ground):
        await ground.task(function=PDF, held=True)
        await ground.tasks.release(PDF, {TENANT: 1})
        await ground.passes(3)
        assert await ground.tasks.overdue_functions() == [(TENANT, PDF)]


class TestClaims:
    def claim(self, run: UUID, worker: str = "w.1", attempt: int = 1) -> Claim:
        return Claim(run, PATH, attempt, "cd" * 32, worker)

    async def test_the_first_holds_the_task_and_a_later_one_learns_who(self, ground: Ground):
        run = await ground.task()
        place = (TENANT, (run, PATH, 1))
        assert await ground.tasks.claim([(TENANT, self.claim(run))]) == {place: "w.1"}
        assert await ground.tasks.claim([(TENANT, self.claim(run, "w.2"))]) == {place: "w.1"}

    async def test_several_are_decided_together(self, ground: Ground):
        runs = [await ground.task() for _ in range(3)]
        held = await ground.tasks.claim([(TENANT, self.claim(run, f"w.{n}")) for n, run in enumerate(runs)])
        assert held == {(TENANT, (run, PATH, 1)): f"w.{n}" for n, run in enumerate(runs)}

    async def test_an_attempt_that_nobody_wants_is_absent(self, ground: Ground):
        run = await ground.task()
        wanted = [(TENANT, self.claim(run, attempt=2)), (TENANT, self.claim(ground.ids.uuid7()))]
        assert await ground.tasks.claim(wanted) == {}

    @pytest.mark.parametrize(("function", "owner"), [("acme.a", "other"), (PDF, TENANT), ("acme.a", "_")])
    async def test_the_task_of_another_owner_is_absent(self, ground: Ground, function: str, owner: str):
        run = await ground.task(function=function)
        assert await ground.tasks.claim([(owner, self.claim(run))]) == {}

    async def test_a_later_attempt_may_be_claimed_again(self, ground: Ground):
        run = await ground.task()
        await ground.tasks.claim([(TENANT, self.claim(run))])
        again = NewTask(run, PATH, 2, "acme.a", "ab" * 32, "cd" * 32, b"{}", False)
        await ground.ledger.write(WriteSet(live=[LiveRun(run, 1, "running", 0, b"{}")], new_tasks=[again]))
        held = await ground.tasks.claim([(TENANT, self.claim(run, "w.2", 2))])
        assert held == {(TENANT, (run, PATH, 2)): "w.2"}


class TestFunctions:
    async def test_an_announced_function_is_remembered_in_its_newest_version(self, ground: Ground):
        await ground.functions.register("default", [FunctionSpec("acme.a", version="1")])
        await ground.functions.register("default", [FunctionSpec("acme.a", version="2")])
        await ground.functions.register("_", [FunctionSpec(PDF)])
        known = [(one.owner, one.name) for one in await ground.functions.functions()]
        assert known == [("_", PDF), ("default", "acme.a")]
        assert await ground.functions.names("default") == {"acme.a"}
        (newest,) = [one.version for one in await ground.functions.functions() if one.name == "acme.a"]
        assert newest == "2"

    async def test_a_tenant_is_known_or_not(self, ground: Ground):
        assert await ground.functions.is_tenant("default")
        assert not await ground.functions.is_tenant("nobody")

    async def test_of_a_stream_the_incarnation_before_is_told(self, ground: Ground):
        seen = [await ground.functions.see_stream("TASKS", one) for one in ("a", "a", "b")]
        assert seen == [None, "a", "a"]
