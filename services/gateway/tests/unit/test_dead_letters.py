"""Dead letters are resolved once, and replayed only where that can succeed."""

from uuid import UUID

import msgspec
import pytest

from kit.fakes.gateway.dead_letters import FakeDeadLetterStore
from kit.fakes.gateway.runs import FakeRuns
from kit.fakes.gateway.tables import TENANT, WHO
from kit.fakes.gateway.world import FakeWorld
from kit.fakes.payloads import FakePayloads
from visapi_common.contracts.dead_letters import ReplayDeadLetter, ResolveDeadLetter
from visapi_common.contracts.engine_messages import Decision, InboxBody
from visapi_common.core.errors import ProblemError
from visapi_gateway.dead_letters.rules.set_aside_messages import SetAsideMessage, find_flaw
from visapi_gateway.dead_letters.service import DeadLetterFilter, DeadLetters
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.runs.reading.service import RunViews

HAPPENED = ResolveDeadLetter(Decision.HAPPENED, "seen at the bank", msgspec.Raw(b'{"id":7}'))
EVENT = b'{"specversion":"1.0","id":"1","source":"/shop","type":"paid"}'
ADMIN = Requester("a", TENANT, "admin", frozenset(["*"]), request_id="r1")


class World(FakeWorld):
    def __init__(self) -> None:
        super().__init__()
        self.hinted: list[UUID] = []
        self.replays = 0
        views = RunViews(FakeRuns(self.tables), FakePayloads().unpack)
        self.letters = DeadLetters(
            FakeDeadLetterStore(self.tables), views, self.hint, self.replay_asked, self.flaw_of
        )

    def hint(self, run: UUID) -> None:
        self.hinted.append(run)

    def replay_asked(self) -> None:
        self.replays += 1

    async def flaw_of(self, _: str, message: SetAsideMessage) -> str:
        return find_flaw(message.encoded()).decode()


async def test_a_decision_reaches_the_run_once():
    world = World()
    run = await world.run(TENANT)
    letter = await world.hold(run)
    shown = await world.letters.resolve(WHO, letter, HAPPENED)
    assert (shown.resolution, shown.resolved_by, world.hinted) == ("happened", "key:a", [run])
    (row,) = world.tables.inbox.values()
    body = msgspec.json.decode(row.body, type=InboxBody)
    assert (body.decision, body.path, bytes(body.output)) == (Decision.HAPPENED, "/do/0/a", b'{"id":7}')  # type: ignore[arg-type]
    with pytest.raises(ProblemError, match="was resolved before") as refused:
        await world.letters.resolve(WHO, letter, HAPPENED)
    assert (refused.value.status, world.hinted) == (409, [run])


async def test_the_letter_of_an_ended_run_is_resolved_without_telling_anybody():
    world = World()
    run = await world.run(TENANT)
    letter = await world.hold(run)
    await world.advance(run, status="cancelled")
    assert (await world.letters.resolve(WHO, letter, HAPPENED)).resolved_at is not None
    assert (world.hinted, world.tables.inbox) == ([], {})


async def test_a_message_that_is_a_valid_event_is_replayed_once():
    world = World()
    letter = await world.set_aside(TENANT, EVENT)
    shown = await world.letters.replay(WHO, letter, ReplayDeadLetter("mended"), None)
    assert (shown.resolution, world.replays) == ("replay", 1)
    with pytest.raises(ProblemError, match="was resolved before"):
        await world.letters.replay(WHO, letter, ReplayDeadLetter(), None)
    assert world.replays == 1


async def test_what_cannot_succeed_is_not_replayed_and_the_reason_is_told():
    world = World()
    task = await world.hold(await world.run(TENANT))
    broken = await world.set_aside(TENANT, b'{"specversion":"1.0"}')
    nobody = await world.set_aside("nobody", EVENT)
    foreign = await world.set_aside(TENANT, EVENT)
    message = world.tables.messages[foreign]
    world.tables.messages[foreign] = msgspec.structs.replace(message, subject="visapi.engine.0.result")
    for letter, why in (
        (task, "is about a task with an unknown outcome"),
        (broken, "the message holds no valid event"),
        (nobody, "there is no tenant 'nobody'"),
        (foreign, "was sent between services"),
    ):
        with pytest.raises(ProblemError, match=why) as refused:
            await world.letters.replay(ADMIN, letter, ReplayDeadLetter(), None)
        assert refused.value.code == "dead_letter_not_replayable"
    assert world.replays == 0


async def test_only_admin_keys_see_letters_of_unknown_tenants():
    world = World()
    letter = await world.set_aside("nobody", EVENT)
    with pytest.raises(ProblemError, match="there is no dead letter"):
        await world.letters.one(WHO, letter)
    assert (await world.letters.one(ADMIN, letter)).id == letter


async def test_pages_go_on_where_they_ended():
    world = World()
    letters = [await world.set_aside(TENANT, EVENT) for _ in range(3)][::-1]
    everything = DeadLetterFilter(None, None)
    first = await world.letters.page(WHO, everything, None, 2)
    assert ([one.id for one in first.items], first.next) == (letters[:2], str(letters[1]))
    second = await world.letters.page(WHO, everything, letters[1], 2)
    assert ([one.id for one in second.items], second.next) == (letters[2:], None)
