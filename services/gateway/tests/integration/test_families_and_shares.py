"""Cancelling a root reaches its descendants, and a tenant has its share of open runs."""

import uuid
from typing import Any

from kit.ledger_rows import lose, overwrite, plant
from kit.servers import Database
from kit.tenants import add_tenants
from visapi_common.adapters.pool import open_pool
from visapi_gateway.kernel.quotas import read_full_tenants

HOURLY = """
document: {dsl: '1.0.3', namespace: demo, name: hourly, version: '1.0.0'}
schedule: {cron: '0 * * * *'}
do: [{a: {set: {n: 1}}}]
"""


async def descend(gateway: Any, root: str, run: str) -> None:
    await overwrite(gateway.db, "runs", {"id": run}, root=root, depth=1)


async def test_cancelling_a_root_is_a_fact_as_soon_as_it_is_accepted(gateway: Any) -> None:
    await gateway.deploy()
    root, child, other = [(await gateway.start(1)).json()["id"] for _ in range(3)]
    await descend(gateway, root, child)
    for run in (root, other):
        assert (await gateway.http.post(f"/v1/runs/{run}/cancel")).status_code == 202
    rows = await gateway.db.fetch("select root, tenant, cancelled_at from visapi.families")
    assert [(str(row["root"]), row["tenant"]) for row in rows] == [(root, "default")]
    assert rows[0]["cancelled_at"] is not None


async def test_a_root_that_ended_is_cancelled_while_a_descendant_is_open(gateway: Any) -> None:
    await gateway.deploy()
    root, child = [(await gateway.start(1)).json()["id"] for _ in range(2)]
    await descend(gateway, root, child)
    await gateway.progress(root, ["workflow.completed"], status="completed")
    answer = await gateway.http.post(f"/v1/runs/{root}/cancel", json={"reason": "runaway"})
    assert (answer.status_code, answer.json()["status"]) == (202, "completed")
    assert await gateway.db.fetchval("select cancelled_at is not null from visapi.families") is True
    audited = await gateway.db.fetchval("select target from visapi.audit where action = 'run.cancel'")
    assert audited == f"run:{root}"
    suspended = await gateway.http.post(f"/v1/runs/{root}/suspend")
    assert suspended.status_code == 409
    await gateway.progress(child, ["workflow.completed"], status="completed")
    assert (await gateway.http.post(f"/v1/runs/{root}/cancel")).status_code == 409


async def test_cancelling_in_bulk_is_the_same_fact_for_each_root(gateway: Any) -> None:
    await gateway.deploy()
    runs = [(await gateway.start(1)).json()["id"] for _ in range(6)]
    for root, child in zip(runs[:3], runs[3:], strict=True):
        await descend(gateway, root, child)
    wanted = {"action": "cancel", "filter": {"status": ["pending"]}}
    counted = (await gateway.http.post("/v1/runs/bulk/count", json=wanted)).json()
    answer = await gateway.http.post("/v1/runs/bulk", json={**wanted, "token": counted["token"]})
    assert answer.status_code == 200, answer.text
    cancelled = await gateway.db.fetch("select root from visapi.families where cancelled_at is not null")
    assert {str(row["root"]) for row in cancelled} == set(runs[:3])


async def fill(gateway: Any, tenant: str, number: int) -> None:
    """The orchestrator has counted so many open runs of at most 10."""
    await lose(gateway.db, "open_runs", tenant=tenant)
    await plant(gateway.db, "open_runs", tenant=tenant, open=number, open_max=10)


async def test_a_tenant_that_is_full_is_refused_before_acceptance_until_there_is_room(gateway: Any) -> None:
    await gateway.deploy()
    assert (await gateway.deploy(HOURLY)).status_code == 201
    key = {"Idempotency-Key": str(uuid.uuid4())}
    path = "/v1/workflows/demo/hello/runs"
    kept = await gateway.http.post(path, json={"name": "Ada"}, headers=key)
    await fill(gateway, "other", 10)
    assert (await gateway.http.post(path, json={"name": "Ada"})).status_code == 202
    await fill(gateway, "default", 10)

    async def refused() -> Any:
        answer = await gateway.http.post(path, json={"name": "Ada"})
        return answer if answer.status_code == 429 else None

    answer = await gateway.until(refused)
    assert answer.json()["code"] == "too_many_open_runs"
    assert answer.headers["retry-after"] == "5"
    assert "10 open runs" in answer.json()["detail"]
    before = await gateway.db.fetchval("select count(*) from visapi.runs")
    again = await gateway.http.post(path, json={"name": "Ada"}, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, kept.json()["id"])
    rerun = await gateway.http.post(f"/v1/runs/{kept.json()['id']}/rerun")
    assert (rerun.status_code, rerun.json()["code"]) == (429, "too_many_open_runs")
    assert await gateway.db.fetchval("select count(*) from visapi.runs") == before
    for path_of, body in (
        ("trigger", {}),
        ("backfill", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T03:00:00Z"}),
    ):
        started = await gateway.http.post(f"/v1/schedules/demo/hourly/{path_of}", json=body or None)
        assert (started.status_code, started.json()["code"]) == (429, "too_many_open_runs")
    assert await gateway.db.fetchval("select count(*) from visapi.schedule_fires") == 0
    await fill(gateway, "default", 9)

    async def accepted() -> bool:
        return (await gateway.http.post(path, json={"name": "Ada"})).status_code == 202

    await gateway.until(accepted)


async def test_a_tenant_that_may_have_no_open_run_is_refused_its_first(gateway: Any) -> None:
    """Nothing of it was counted yet, so the limit alone tells."""
    await gateway.deploy()
    await plant(
        gateway.db, "rates", tenant="default", subject="tenant", open_runs_max=0, updated_by="operator"
    )

    async def refused() -> Any:
        answer = await gateway.start(1)
        return answer if answer.status_code == 429 else None

    answer = await gateway.until(refused)
    assert answer.json()["code"] == "too_many_open_runs"
    assert "has 0 open runs" in answer.json()["detail"]


async def test_the_limit_that_the_operator_has_set_applies_whatever_was_counted_against(
    gateway: Any, postgres_db: Database
) -> None:
    """An orchestrator of the release before counts against the default, in turns with one of this release."""
    await add_tenants(gateway.db, "lowered", "raised")
    for tenant, default, own in (("lowered", 10_000, 5), ("raised", 5, 10_000)):
        await plant(gateway.db, "open_runs", tenant=tenant, open=6, open_max=default)
        limit = {"open_runs_max": own, "updated_by": "operator"}
        await plant(gateway.db, "rates", tenant=tenant, subject="tenant", **limit)
    pool = await open_pool(postgres_db.gateway, size=1, application="gateway")
    near = await read_full_tenants(pool)
    await pool.close()
    assert {tenant: (count.open, count.most) for tenant, count in near.items()} == {"lowered": (6, 5)}


async def test_an_event_of_somebody_else_names_no_root(gateway: Any) -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/x",
        "type": "a.b",
        "visapiroot": str(uuid.uuid4()),
        "visapihops": 3,
    }
    headers = {"Content-Type": "application/cloudevents+json"}
    answer = await gateway.http.post("/v1/events", json=event, headers=headers)
    assert answer.status_code == 202
    body = bytes(await gateway.db.fetchval("select body from visapi.events_in"))
    assert b"visapiroot" not in body
    assert b'"visapihops":3' in body
