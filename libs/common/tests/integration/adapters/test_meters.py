"""What the adapters count of PostgreSQL and NATS, on real servers."""

import asyncio

import pytest

from kit.servers import Database, NatsServer
from kit.waiting import eventually
from visapi.stack.ports import any_free
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.pool_meter import open_metered_pool
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.adapters.topology import FunctionConsumer, Topology
from visapi_common.contracts import subjects
from visapi_common.core.errors import TransientFault
from visapi_common.telemetry.setup import open_metrics

STATEMENT = {"db_system_name": "postgresql", "db_query_summary": "look", "error_type": "none"}
POOL = {"db_client_connection_pool_name": "test"}


async def test_statements_are_timed_by_the_names_of_their_blocks_and_by_their_refusals(postgres_db: Database):
    metrics = open_metrics()
    pool = await open_metered_pool(postgres_db.gateway, size=2, application="test", metrics=metrics)
    read = metrics.registry.get_sample_value
    assert await pool.fetchval("-- look\nselect 1") == 1
    with pytest.raises(Exception, match="does not exist"):
        await pool.fetch("-- look\nselect * from nothing")
    name = "db_client_operation_duration_seconds_count"
    await eventually(lambda: read(name, STATEMENT) == 1)
    await eventually(lambda: read(name, STATEMENT | {"error_type": "42P01"}) == 1)
    await pool.close()


async def test_a_wait_for_a_connection_is_timed_and_connections_are_counted(postgres_db: Database):
    metrics = open_metrics()
    pool = await open_metered_pool(postgres_db.gateway, size=1, application="test", metrics=metrics)
    read = metrics.registry.get_sample_value
    await asyncio.gather(*(pool.fetchval("-- look\nselect pg_sleep(0.1)") for _ in range(3)))
    waited = read("db_client_connection_wait_time_seconds_sum", POOL)
    assert waited is not None
    # The second caller waited for one statement, the third for two.
    assert waited >= 0.28
    async with pool.acquire():
        assert read("db_client_connection_count", POOL | {"db_client_connection_state": "used"}) == 1
    assert read("db_client_connection_count", POOL | {"db_client_connection_state": "idle"}) == 1
    assert read("db_client_connection_max", POOL) == 1
    await pool.close()


async def test_a_connection_that_cannot_be_had_is_counted_as_a_failure():
    metrics = open_metrics()
    nobody = f"postgresql://visapi@127.0.0.1:{any_free()}/visapi"
    pool = await open_metered_pool(nobody, size=1, application="test", metrics=metrics)
    with pytest.raises(OSError, match="Connect call failed"):
        await pool.fetchval("-- look\nselect 1")
    failed = STATEMENT | {"db_query_summary": "connect", "error_type": "other"}
    assert metrics.registry.get_sample_value("db_client_operation_duration_seconds_count", failed) == 1
    await pool.close()


async def test_messages_requests_and_deliveries_are_counted_by_stream_and_subject(nats_server: NatsServer):
    metrics = open_metrics()
    read = metrics.registry.get_sample_value
    bus = await Bus.connect(nats_server.url(), "test")
    bus.count_in(metrics)
    topology = Topology(bus)
    await topology.heal()
    consumer = await topology.ensure_function(FunctionConsumer("default", "acme.score", 100))
    subject = subjects.task("default", "acme.score")
    await bus.publish_acked(subject, b"1", msg_id="a")
    with pytest.raises(TransientFault):
        await bus.publish_acked("visapi.nothing.listens", b"")
    tasks = {"messaging_system": "nats", "messaging_destination_template": "visapi.tasks"}
    sent = tasks | {"messaging_operation_name": "request"}
    assert read("messaging_client_sent_messages_total", sent) == 1
    seconds = "messaging_client_operation_duration_seconds_count"
    assert read(seconds, sent | {"error_type": "none"}) == 1
    refused = sent | {"messaging_destination_template": "visapi.nothing", "error_type": "refused"}
    assert read(seconds, refused) == 1
    pull = PullLoop(bus, subjects.STREAM_TASKS, consumer, window=4)
    await pull.start()
    (delivery,) = await pull.take(4)
    stream = {"messaging_system": "nats", "messaging_destination_name": "TASKS"}
    assert read("messaging_client_consumed_messages_total", stream) == 1
    now = (await topology.view())[0].now
    assert now is not None
    assert 0 <= now.timestamp() - delivery.stored_at < 30
    assert read("visapi_nats_connected") == 1
    await pull.stop()
    nats_server.kill()
    await eventually(lambda: read("visapi_nats_connected") == 0)
    await bus.close()
