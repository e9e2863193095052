"""What a notifier claims of the webhooks that wait, and what it writes down of their endpoints, on a real ledger."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from kit.endpoint_world import KEYS, World, endpoint_world
from kit.ledger_rows import overwrite
from kit.servers import Database
from visapi_common.core.outbound import Inbound
from visapi_notifier.endpoints.rules import after_failure, after_response
from visapi_notifier.endpoints.shares import Place
from visapi_notifier.endpoints.store import PostgresEndpoints

BYTES = 10_000_000


@pytest.fixture
async def world(postgres_db: Database) -> AsyncIterator[World]:
    async with endpoint_world(postgres_db) as opened:
        yield opened


async def test_a_large_message_is_claimed_alone_and_others_within_their_bytes(world: World):
    one = await world.endpoint("one")
    await world.write(one, 5)
    await overwrite(world.db, "endpoint_messages", {}, size=700_000)
    rows = PostgresEndpoints(world.pool, KEYS, "one")
    assert len(await rows.claim([Place("default", one, 5, False)], 1, BYTES)) == 1
    assert len(await rows.claim([Place("default", one, 5, False)], 1_500_000, BYTES)) == 3


async def test_a_tenant_with_large_messages_leaves_room_for_the_others(world: World):
    one, two = await world.endpoint("one"), await world.endpoint("two", tenant="other")
    await world.write(one, 5)
    await world.write(two, 5, tenant="other")
    await overwrite(world.db, "endpoint_messages", {}, size=700_000)
    rows = PostgresEndpoints(world.pool, KEYS, "one")
    wanted = [Place("default", one, 5, False), Place("other", two, 5, False)]
    first = await rows.claim(wanted, 700_001, BYTES)
    assert sorted(message.tenant for message in first) == ["default", "other"]
    then = await rows.claim(wanted, BYTES, 1_400_000)
    assert Counter(message.tenant for message in then) == {"default": 2, "other": 2}


async def test_an_endpoint_that_is_gone_stays_gone_whatever_comes_beside(world: World):
    gone = await world.endpoint("gone")
    await world.write(gone, 2)
    rows = PostgresEndpoints(world.pool, KEYS, "one")
    first, second = await rows.claim([Place("default", gone, 2, False)], BYTES, BYTES)
    said_gone = after_response(first, Inbound(410, (), b"", ""), now=datetime.now(UTC), draw=0.5)
    await rows.finish([(first, said_gone, 0.1), (second, after_failure(second, "no answer", draw=0.5), 0.1)])
    assert (await world.row(gone))["disabled_reason"] == "gone"
