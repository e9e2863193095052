"""The reader of all runs tells for how long it is behind, and how often it began anew."""

import asyncio
from uuid import UUID

from kit.fakes.clocks import FakeClock, in_no_time
from kit.fakes.gateway.changes import FakeChanges
from visapi_common.contracts.subjects import live
from visapi_common.core.errors import TransientFault
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.runs.changes.reader import ChangeReader
from visapi_gateway.runs.reading.live import LiveHub

TENANT, LAG = "acme", "visapi_run_changes_lag_seconds"


@in_no_time
async def test_the_lag_grows_while_the_database_is_away_and_ends_when_all_is_read() -> None:
    source, clock, hub, metrics = FakeChanges(), FakeClock(), LiveHub(lambda: True), open_metrics()
    reader = ChangeReader(source, hub, clock, metrics)
    read = metrics.registry.get_sample_value

    def start(number: int) -> None:
        source.put(TENANT, UUID(int=number), "workflow.started")
        hub.receive(live(TENANT, UUID(int=number)), b"")

    task = asyncio.create_task(reader.run())
    with hub.attend() as bell, reader.follow(TENANT, bell):
        start(1)
        await asyncio.sleep(1)
        assert read(LAG) == 0
        source.faults.plan("changes", *[TransientFault("away")] * 5)
        clock.now_s += 40
        start(2)
        await asyncio.sleep(3)
        assert (read(LAG) or 0) >= 40
        await asyncio.sleep(20)
        assert read(LAG) == 0
        clock.now_s += 10
        source.put_back(1001, clock.now().timestamp())
        start(3)
        await asyncio.sleep(5)
        assert read("visapi_run_changes_restarts_total") == 1
        source.faults.plan("changes", *[TransientFault("away")] * 1000)
        clock.now_s += 40
        start(4)
        await asyncio.sleep(3)
        assert (read(LAG) or 0) >= 40
    await asyncio.sleep(60)
    assert read(LAG) == 0, "nobody follows"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
