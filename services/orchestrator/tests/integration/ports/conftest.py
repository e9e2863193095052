"""Each port twice: as a fake in memory, and as the real adapter on PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from kit.ports import Ground, fake_ground, real_ground
from kit.servers import Database
from visapi_common.adapters.pool import open_pool
from visapi_orchestrator.transitions.store.ledger import SESSION


@pytest.fixture(params=["fake", "postgres"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    if request.param == "fake":
        yield fake_ground()
        return
    database: Database = request.getfixturevalue("postgres_db")
    pool = await open_pool(database.orchestrator, size=4, application="test", session=SESSION)
    world = await open_pool(database.superuser, size=2, application="test")
    yield real_ground(pool, world)
    for one in (pool, world):
        await one.close()
