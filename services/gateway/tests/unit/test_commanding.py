"""Commands to one run: what is committed, whom a hint wakes, and what is refused."""

from uuid import UUID

import pytest

from kit.fakes.clocks import CountingIds
from kit.fakes.gateway.commands import FakeCommands
from kit.fakes.gateway.runs import FakeRuns
from kit.fakes.gateway.tables import TENANT, WHO
from kit.fakes.gateway.world import FakeWorld
from kit.fakes.payloads import FakePayloads
from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_gateway.runs.commands.service import UNREAD_MAX, Commands, command_of
from visapi_gateway.runs.reading.service import RunViews


class World(FakeWorld):
    def __init__(self) -> None:
        super().__init__()
        self.store = FakeCommands(self.tables)
        self.hinted: list[UUID] = []
        views = RunViews(FakeRuns(self.tables), FakePayloads().unpack)
        self.commands = Commands(self.store, views, CountingIds(), self.hint)

    def hint(self, run: UUID) -> None:
        self.hinted.append(run)


async def test_a_command_is_committed_and_its_run_woken():
    world = World()
    run = await world.run(TENANT)
    _, fresh = await world.commands.send(WHO, run, InboxKind.SUSPEND, "for now")
    assert (fresh, await world.told(run), world.hinted) == (True, ["suspend"], [run])
    (entry,) = world.tables.audit[TENANT]
    assert (entry.action, entry.reason, entry.request_id) == ("run.suspend", "for now", "r1")


async def test_a_command_that_was_not_committed_wakes_nobody():
    world = World()
    run = await world.run(TENANT)
    world.store.faults.plan("commit", TransientFault("away"))
    with pytest.raises(TransientFault):
        await world.commands.send(WHO, run, InboxKind.SUSPEND, None)
    assert (await world.told(run), world.hinted) == ([], [])


async def test_a_run_with_too_many_unread_commands_takes_no_more():
    world = World()
    run = await world.run(TENANT)
    many = [command_of(WHO, run, InboxKind.SUSPEND, None, ident=str(number)) for number in range(UNREAD_MAX)]
    await world.commands.send_all(TENANT, many)
    with pytest.raises(ProblemError, match="are unread") as refused:
        await world.commands.send(WHO, run, InboxKind.SUSPEND, None)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "5"})


async def test_an_ended_run_takes_no_command_but_the_cancellation_of_its_family():
    world = World()
    root = await world.run(TENANT)
    child = await world.start_child(root)
    await world.advance(root, status="completed")
    with pytest.raises(ProblemError, match="it takes no more commands"):
        await world.commands.send(WHO, root, InboxKind.SUSPEND, None)
    _, fresh = await world.commands.send(WHO, root, InboxKind.CANCEL, None)
    assert (fresh, await world.is_cancelled(root)) == (False, True)
    await world.advance(child, status="cancelled")
    with pytest.raises(ProblemError, match="it takes no more commands"):
        await world.commands.send(WHO, root, InboxKind.CANCEL, None)


async def test_the_cancellation_of_a_cancelled_run_may_be_sent_again():
    world = World()
    run = await world.run(TENANT)
    await world.advance(run, status="cancelled")
    row, fresh = await world.commands.send(WHO, run, InboxKind.CANCEL, None)
    assert (row.status, fresh) == ("cancelled", False)


async def test_of_many_commands_only_new_ones_wake_their_runs():
    world = World()
    runs = [await world.run(TENANT) for _ in range(2)]
    some = [command_of(WHO, run, InboxKind.CANCEL, None, ident="bulk:1") for run in runs]
    assert await world.commands.send_all(TENANT, some[:1]) == 1
    assert await world.commands.send_all(TENANT, some) == 1
    assert world.hinted == runs
    assert await world.commands.send_all(TENANT, []) == 0


async def test_a_run_of_another_tenant_takes_no_command():
    world = World()
    run = await world.run("other")
    with pytest.raises(ProblemError, match="there is no run"):
        await world.commands.send(WHO, run, InboxKind.CANCEL, None)
    assert await world.told(run) == []
