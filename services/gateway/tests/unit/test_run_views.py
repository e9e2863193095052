"""Runs as the API shows them."""

import msgspec
import pytest

from kit.fakes.gateway.runs import FakeRuns
from kit.fakes.gateway.tables import TENANT
from kit.fakes.gateway.world import FakeWorld
from kit.fakes.payloads import FakePayloads
from visapi_common.contracts.payloads import INLINE_LIMIT
from visapi_common.core.errors import ProblemError
from visapi_gateway.runs.reading.rules.filters import RunFilter
from visapi_gateway.runs.reading.service import RunViews


async def test_a_list_of_runs_leaves_large_values_out_and_one_run_shows_them():
    world, payloads = FakeWorld(), FakePayloads()
    views = RunViews(FakeRuns(world.tables), payloads.unpack)
    large = b'"%b"' % (b"x" * INLINE_LIMIT)
    runs = [await world.run(TENANT) for _ in range(3)]
    packed = msgspec.json.encode(await payloads.pack(TENANT, large))
    world.tables.change(runs[2], input=packed)
    page = await views.page(TENANT, RunFilter(), None, 2)
    assert ([bytes(view.input) for view in page.items], page.next) == ([b"null", b"null"], str(runs[1]))
    view = await views.view(TENANT, await views.row(TENANT, runs[2]))
    assert bytes(view.input) == large
    with pytest.raises(ProblemError, match="there is no run"):
        await views.row("other", runs[2])
