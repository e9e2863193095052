"""Quotas of runs: shared by gateways, taken before acceptance, never exceeded."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from kit.servers import NatsServer
from visapi_gateway.kernel.full_tenants import FullTenants, OpenCount

PATH = "/v1/workflows/demo/hello/runs"


async def counted(gateway: Any) -> int:
    return await gateway.db.fetchval("select count(*) from visapi.runs where tenant = 'default'")


async def test_gateways_accept_as_many_runs_as_the_quota_has_and_not_one_more(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with AsyncExitStack() as stack:
        settings = {"tenant_runs_per_day": 90}
        one, two = [await stack.enter_async_context(serve(shared_nats, **settings)) for _ in range(2)]
        await one.deploy()
        answers: list[httpx.Response] = []
        for _ in range(4):
            answers += await asyncio.gather(*(each.start(1) for each in (one, two) for _ in range(15)))
        assert Counter(answer.status_code for answer in answers) == {202: 90, 429: 30}
        assert await counted(one) == 90
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["code"] == "run_quota_exceeded"
        assert int(refused.headers["retry-after"]) <= 11, (
            "the other gateway may hold runs that it does not use"
        )


async def test_a_refused_run_is_told_which_quota_is_used_up_and_until_when(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, tenant_runs_per_day=2) as gateway:
        await gateway.deploy()
        refused = [await gateway.start(1) for _ in range(3)][-1]
        assert (refused.status_code, refused.json()["code"]) == (429, "run_quota_exceeded")
        assert "the tenant may start 2 runs per day (UTC)" in refused.json()["detail"]
        now = datetime.now(UTC)
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        wait_s = int(refused.headers["retry-after"])
        assert abs(wait_s - (midnight - now).total_seconds()) < 30
        assert refused.headers["ratelimit"] == f'"tenant-day";r=0;t={wait_s}'
        assert '"tenant-day";q=2;w=86400;qu="runs"' in refused.headers["ratelimit-policy"]
        read = await gateway.http.get("/v1/runs")
        assert (read.status_code, "tenant-day" in read.headers["ratelimit-policy"]) == (200, False)


async def test_what_starts_nothing_new_takes_nothing_of_a_quota(serve: Any, shared_nats: NatsServer) -> None:
    async with serve(shared_nats, tenant_runs_per_month=3) as gateway:
        await gateway.deploy()
        await gateway.deploy(gateway.strict)
        first = await gateway.start({"name": "Ada"}, Idempotency_Key="one")
        assert '"tenant-month";r=2;' in first.headers["ratelimit"]
        for _ in range(5):
            again = await gateway.start({"name": "Ada"}, Idempotency_Key="one")
            assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        assert (await gateway.start({"name": "Eve"}, Idempotency_Key="one")).status_code in {409, 422}
        wrong = await gateway.http.post("/v1/workflows/demo/strict/runs", json={"age": -1})
        assert wrong.json()["code"] == "input_invalid"
        assert (await gateway.http.post("/v1/workflows/demo/none/runs")).status_code == 404
        assert [(await gateway.start(n)).status_code for n in range(3)] == [202, 202, 429]
        rerun = await gateway.http.post(f"/v1/runs/{first.json()['id']}/rerun")
        assert (rerun.status_code, rerun.json()["code"]) == (429, "run_quota_exceeded")
        again = await gateway.start({"name": "Ada"}, Idempotency_Key="one")
        assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
        await gateway.progress(first.json()["id"], ["workflow.completed"], status="completed")
        wanted = {"action": "rerun", "filter": {"status": ["completed"]}}
        token = (await gateway.http.post("/v1/runs/bulk/count", json=wanted)).json()["token"]
        step = (await gateway.http.post("/v1/runs/bulk", json={**wanted, "token": token})).json()
        assert (step["accepted"], {each["code"] for each in step["refused"]}) == (0, {"run_quota_exceeded"})
        assert await counted(gateway) == 2, "of three, one has ended"


HOURLY = """
document: {dsl: '1.0.3', namespace: demo, name: hourly, version: '1.0.0'}
schedule: {cron: '0 * * * *'}
do: [{a: {set: {n: 1}}}]
"""


async def test_runs_that_a_person_starts_by_a_schedule_take_from_the_quota(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, tenant_runs_per_day=4) as gateway:
        await gateway.deploy(HOURLY)
        path = "/v1/schedules/demo/hourly"
        triggered = await gateway.http.post(f"{path}/trigger")
        assert (triggered.status_code, '"tenant-day";r=3;' in triggered.headers["ratelimit"]) == (202, True)
        hours = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T03:00:00Z"}
        refused = await gateway.http.post(f"{path}/backfill", json=hours)
        assert (refused.status_code, refused.json()["code"]) == (429, "run_quota_exceeded")
        assert await counted(gateway) == 1, "all of a backfill, or none"
        fewer = {**hours, "to": "2026-01-01T02:00:00Z"}
        backfilled = await gateway.http.post(f"{path}/backfill", json=fewer)
        assert (backfilled.status_code, backfilled.json()["started"]) == (202, 3)
        again = await gateway.http.post(f"{path}/backfill", json=fewer)
        assert (again.status_code, again.json()["started"]) == (202, 0)
        assert (await gateway.http.post(f"{path}/trigger")).json()["code"] == "run_quota_exceeded"
        assert (await gateway.start(1)).status_code in {404, 429}
        assert await counted(gateway) == 4


async def test_a_quota_of_a_key_bounds_this_key_alone(gateway: Any) -> None:
    await gateway.deploy()
    made = (await gateway.http.post("/v1/keys", json={"name": "trial"})).json()
    assert (
        await gateway.http.put(f"/v1/keys/{made['id']}/rate", json={"runs_per_day": 2})
    ).status_code == 200
    async with gateway.client(made["key"]) as trial:

        async def applied() -> bool:
            answer = await trial.get("/v1/rates/current")
            return answer.status_code == 200 and len(answer.json()["items"]) == 3

        await gateway.until(applied)
        assert [(await trial.post(PATH, json=n)).status_code for n in range(3)] == [202, 202, 429]
        assert (await gateway.start(1)).status_code == 202
        raised = await gateway.http.put(f"/v1/keys/{made['id']}/rate", json={"runs_per_day": 3})
        assert raised.status_code == 200

        async def one_more() -> bool:
            return (await trial.post(PATH, json=1)).status_code == 202

        await gateway.until(one_more)
        assert (await trial.post(PATH, json=1)).status_code == 429


async def test_a_gateway_that_ends_returns_what_it_has_not_started(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, tenant_runs_per_day=6400) as gateway:
        await gateway.deploy()
        for _ in range(5):
            assert (await gateway.start(1)).status_code == 202

        async def leased() -> int:
            return await gateway.db.fetchval("select used from visapi.quota_leases where period = 'day'")

        assert await leased() > 5
        gateway.lifecycle.stop()
        await gateway.stopped
        assert await leased() == 5


async def test_a_gateway_that_cannot_lease_accepts_what_it_holds_and_says_why_not_more(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, tenant_runs_per_day=10) as gateway:
        await gateway.deploy()
        assert (await gateway.start(1)).status_code == 202
        await gateway.db.execute("revoke insert, update on visapi.quota_leases from visapi_gateway")
        answer = await gateway.start(1)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert await counted(gateway) == 1
        await gateway.db.execute("grant insert, update on visapi.quota_leases to visapi_gateway")

        async def accepted() -> bool:
            return (await gateway.start(1)).status_code == 202

        await gateway.until(accepted)


@pytest.mark.parametrize(("open_runs", "accepted"), [(4, 25), (5, 10), (9, 10), (10, 0)])
async def test_between_two_counts_a_gateway_accepts_at_most_as_many_runs_as_a_tenant_may_have(
    open_runs: int, accepted: int
) -> None:
    """The limit is ten. Runs that were accepted may have ended, so nine open runs leave room for more than one; fewer
    than half are not watched until the next count."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    counts = {"acme": OpenCount(open_runs, 10, at)} if open_runs >= 5 else {}

    async def read() -> dict[str, OpenCount]:
        return counts

    full = FullTenants(read)
    keeping = asyncio.create_task(full.keep_fresh())
    await asyncio.sleep(0)
    taken = 0
    while "acme" not in full and taken < 25:
        full.accepted("acme")
        taken += 1
    assert taken == accepted
    keeping.cancel()
