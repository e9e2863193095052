"""`runs.changes.source.ChangeSource`."""

from kit.gateway_ports import GatewayGround
from visapi_gateway.runs.changes.rules.changes import changes_of
from visapi_gateway.runs.changes.rules.positions import NO_RUN, Key
from visapi_gateway.runs.changes.source import ChangePage

STARTED, ENDED = "workflow.started", "workflow.completed"


def told(page: ChangePage, after: Key | None = None) -> list[tuple[str, str, int]]:
    found = [change for row in page.rows for change in changes_of(row, 0, after)]
    return [(change.position.run, change.type, change.position.seq) for change in found]


async def test_changes_of_a_tenant_come_once_in_the_order_of_their_commits(ground: GatewayGround):
    mine, other = await ground.world.run(ground.tenant), await ground.world.run(ground.other)
    await ground.world.change(mine, STARTED)
    begin = await ground.changes.begin([ground.tenant])
    assert (list(begin.rows), begin.end[1:], begin.more) == ([], (NO_RUN, 0), False)
    second = await ground.world.run(ground.tenant, "refund")
    await ground.world.change(second, STARTED, "task.created")
    await ground.world.change(other, STARTED)
    await ground.world.change(mine, "task.completed", ENDED, status="completed")
    await ground.world.change(second, "task.started")
    page = await ground.changes.changes([ground.tenant], begin.end)
    assert told(page) == [(str(second), STARTED, 1), (str(mine), ENDED, 3)]
    assert {row.tenant for row in page.rows} == {ground.tenant}
    assert [row.workflow.name for row in page.rows] == ["refund", "flow"]
    assert (page.more, page.end > begin.end, page.end[0] <= page.newest) == (False, True, True)
    again = await ground.changes.changes([ground.tenant], page.end)
    assert (list(again.rows), again.end >= page.end) == ([], True)
    both = await ground.changes.changes([ground.tenant, ground.other], begin.end)
    assert len(both.rows) == 3


async def test_reading_goes_on_within_a_row(ground: GatewayGround):
    run = await ground.world.run(ground.tenant)
    begin = await ground.changes.begin([ground.tenant])
    await ground.world.change(run, STARTED, "task.created", "workflow.suspended", "workflow.resumed")
    (row,) = (await ground.changes.changes([ground.tenant], begin.end)).rows
    within = (row.xid, str(run), 3)
    page = await ground.changes.changes([ground.tenant], within)
    assert told(page, within) == [(str(run), "workflow.resumed", 4)]
    behind = (row.xid, str(run), 4)
    assert list((await ground.changes.changes([ground.tenant], behind)).rows) == []


async def test_a_place_that_the_database_does_not_know_yet_is_kept(ground: GatewayGround):
    begin = await ground.changes.begin([ground.tenant])
    ahead = (begin.newest + 1_000_000, NO_RUN, 0)
    page = await ground.changes.changes([ground.tenant], ahead)
    assert (list(page.rows), page.end, page.more, page.newest < ahead[0]) == ([], ahead, False, True)
