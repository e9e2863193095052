"""Approvals are decided once, by key or by link, and a lost answer can be asked for again."""

from uuid import UUID

import pytest

from kit.fakes.gateway.approvals import FakeApprovals
from kit.fakes.gateway.tables import TENANT, WHO
from kit.fakes.gateway.world import FakeWorld
from visapi_common.contracts.approvals import DecideApproval
from visapi_common.core.approvals import ANYBODY, Token, link_digest
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_gateway.approvals.service import Approvals

MIA = "mia@example.com"
YES, NO = DecideApproval("approve", "fine"), DecideApproval("reject")


class World(FakeWorld):
    """One question, with a link for anybody and one for Mia."""

    def __init__(self) -> None:
        super().__init__()
        self.store = FakeApprovals(self.tables)
        self.hinted: list[UUID] = []
        self.approvals = Approvals(self.store, self.hint)

    def hint(self, run: UUID) -> None:
        self.hinted.append(run)

    async def asked(self, expires_s: float | None = None) -> "World":
        self.asking = await self.run(TENANT)
        digests = [link_digest(key) for key in ("any", "mia")]
        self.id = await self.ask(self.asking, [ANYBODY, MIA], digests, expires_s=expires_s)
        return self

    def link(self, key: str = "mia", tenant: str = TENANT) -> Token:
        return Token(tenant, self.id, key)


async def test_the_first_decision_counts_and_wakes_the_run():
    world = await World().asked()
    view = await world.approvals.decide(WHO, world.id, YES)
    assert (view.state, view.decision, view.comment, view.decided_by) == (
        "decided",
        "approve",
        "fine",
        "key:a",
    )
    assert (world.hinted, await world.told(world.asking)) == ([world.asking], ["approval"])
    with pytest.raises(ProblemError, match="key:a decided 'approve'") as refused:
        await world.approvals.decide(WHO, world.id, NO)
    assert (refused.value.code, refused.value.status) == ("approval_decided", 409)


async def test_the_same_decision_again_is_answered_as_before_and_recorded_once():
    world = await World().asked()
    first = await world.approvals.decide(WHO, world.id, YES)
    assert await world.approvals.decide(WHO, world.id, YES) == first
    assert len(world.tables.audit[TENANT]) == len(world.hinted) == 1


async def test_a_decision_that_is_no_choice_is_refused_with_the_choices():
    world = await World().asked()
    with pytest.raises(ProblemError, match="must be one of approve, reject") as refused:
        await world.approvals.decide(WHO, world.id, DecideApproval("maybe"))
    assert refused.value.status == 400
    assert await world.told(world.asking) == []


async def test_from_the_deadline_on_nobody_decides():
    world = await World().asked(expires_s=60)
    await world.passes(60)
    assert (await world.approvals.read(TENANT, world.id)).state == "expired"
    with pytest.raises(ProblemError, match="is expired"):
        await world.approvals.decide(WHO, world.id, YES)
    _, _, counted = await world.approvals.decide_by_link(world.link(), YES, "r2") or (None, None, None)
    assert counted is False


async def test_a_link_decides_as_its_holder():
    for key, holder, by in (("mia", MIA, MIA), ("any", ANYBODY, "link")):
        world = await World().asked()
        decided = await world.approvals.decide_by_link(world.link(key), YES, "r1")
        assert decided is not None
        view, whose, counted = decided
        assert (view.decided_by, whose, counted) == (by, holder, True)
        again = await world.approvals.decide_by_link(world.link(key), YES, "r2")
        assert again == decided
        other = await world.approvals.decide_by_link(world.link(key), NO, "r3")
        assert other is not None
        assert (other[0].decision, other[2]) == ("approve", False)


async def test_a_link_with_another_key_or_tenant_opens_nothing():
    world = await World().asked()
    for link in (world.link("guessed"), world.link("mia", "other")):
        assert await world.approvals.opened(link) is None
        assert await world.approvals.decide_by_link(link, YES, "r") is None
    assert await world.told(world.asking) == []


async def test_a_decision_that_could_not_be_recorded_can_be_made_again():
    world = await World().asked()
    world.store.faults.plan("decide", TransientFault("away"))
    with pytest.raises(TransientFault):
        await world.approvals.decide(WHO, world.id, YES)
    assert world.hinted == []
    assert (await world.approvals.decide(WHO, world.id, YES)).state == "decided"


async def test_pages_go_on_where_they_ended():
    world = await World().asked()
    ids = [world.id, *[await world.ask(world.asking, [ANYBODY], [b""]) for _ in range(2)]][::-1]
    first = await world.approvals.list(TENANT, None, None, None, 2)
    assert ([view.id for view in first.items], first.next) == (ids[:2], str(ids[1]))
    second = await world.approvals.list(TENANT, None, None, ids[1], 2)
    assert ([view.id for view in second.items], second.next) == (ids[2:], None)
