"""Each port twice: as a fake in memory, and as the real adapter on PostgreSQL. The tests share one database and
have tenants of their own.
"""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from kit.gateway_ports import GatewayGround, RealWorld, fake_ground, real_ground
from kit.servers import Database, PostgresServer
from kit.tenants import add_tenants
from visapi_common.adapters.pool import open_pool
from visapi_gateway.gateway import SESSION
from visapi_orchestrator.transitions.store.ledger import SESSION as ORCHESTRATOR_SESSION

_numbers = count(1)


@pytest.fixture(scope="session")
def ports_db(postgres_server: PostgresServer) -> Iterator[Database]:
    database = postgres_server.create()
    yield database
    postgres_server.drop(database)


@pytest.fixture(params=["fake", "postgres"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[GatewayGround]:
    number = next(_numbers)
    tenants = (f"mine-{number}", f"other-{number}")
    if request.param == "fake":
        yield fake_ground(*tenants)
        return
    database: Database = request.getfixturevalue("ports_db")
    world = await open_pool(database.superuser, size=1, application="test")
    orchestrator = await open_pool(
        database.orchestrator, size=1, application="test", session=ORCHESTRATOR_SESSION
    )
    gateway = await open_pool(database.gateway, size=2, application="test", session=SESSION)
    await add_tenants(world, *tenants)
    yield real_ground(RealWorld(world, orchestrator), gateway, *tenants)
    for pool in (world, orchestrator, gateway):
        await pool.close()
