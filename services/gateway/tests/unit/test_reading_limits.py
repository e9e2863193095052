"""Lists of flow control keys."""

from kit.fakes.gateway.tables import TENANT
from kit.fakes.gateway.world import FakeWorld
from visapi_gateway.flow_limits.service import ReadLimits


async def test_a_page_of_limits_goes_on_where_it_ended():
    world = FakeWorld()
    for key in ('"a"', '{"id":7}'):
        await world.begin(await world.run(TENANT), key, 1)
    read = ReadLimits(world.limits)
    first = await read(TENANT, None, None, 1)
    assert [(view.key, view.limit, view.under_way) for view in first.items] == [("a", 1, 1)]
    second = await read(TENANT, None, first.next, 1)
    assert ([view.key for view in second.items], second.next) == ([{"id": 7}], None)
