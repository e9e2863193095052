"""How long ended runs of a namespace are kept: said by the API, and what new runs carry."""

from typing import Any

from kit.ledger_rows import lose

HERE = "/v1/retention/demo"


async def retention_of(gateway: Any, run: str) -> str:
    return await gateway.db.fetchval("select retention from visapi.runs where id = $1", run)


async def test_a_namespace_has_the_default_until_somebody_says_otherwise(gateway: Any):
    shown = (await gateway.http.get(HERE)).json()
    assert shown == {
        "namespace": "demo",
        "days": 30,
        "is_default": True,
        "updated_at": None,
        "updated_by": None,
    }
    said = await gateway.http.put(HERE, json={"days": 7, "reason": "few people ask later"})
    assert (said.status_code, said.json()["days"], said.json()["is_default"]) == (200, 7, False)
    assert (await gateway.http.get(HERE)).json() == said.json()
    (row,) = (await gateway.http.get("/v1/audit", params={"action": "retention.set"})).json()["items"]
    assert (row["target"], row["reason"], row["details"]) == (
        "namespace:demo",
        "few people ask later",
        {"days": 7},
    )


async def test_runs_keep_the_policy_under_which_they_started(gateway: Any):
    await gateway.deploy()
    before = (await gateway.start({"name": "Ada"})).json()["id"]
    await gateway.http.put(HERE, json={"days": 7})
    under = (await gateway.start({"name": "Ada"})).json()["id"]
    await gateway.http.put(HERE, json={"days": 365})
    later = (await gateway.start({"name": "Ada"}, Idempotency_Key="k")).json()["id"]
    assert (await gateway.http.delete(HERE)).status_code == 204
    after = (await gateway.start({"name": "Ada"})).json()["id"]
    assert [await retention_of(gateway, run) for run in (before, under, later, after)] == [
        "standard",
        "d7",
        "d365",
        "standard",
    ]


async def test_a_run_of_any_class_is_read_with_its_history(gateway: Any):
    await gateway.deploy()
    await gateway.http.put(HERE, json={"days": 7})
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    await gateway.db.execute("alter table visapi.history alter column retention set default 'd7'")
    await gateway.progress(run, ["workflow.started"])
    assert len((await gateway.http.get(f"/v1/runs/{run}/history")).json()["items"]) == 1
    await gateway.progress(run, ["workflow.completed"], status="completed")
    assert (await gateway.http.get(f"/v1/runs/{run}")).json()["status"] == "completed"
    assert len((await gateway.http.get(f"/v1/runs/{run}/history")).json()["items"]) == 2
    (listed,) = (await gateway.http.get("/v1/runs")).json()["items"]
    assert listed["id"] == run


async def test_policies_of_other_tenants_are_neither_seen_nor_used(gateway: Any):
    other = gateway.client(await gateway.key(tenant="other"))

    async def known() -> bool:
        return (await other.get(HERE)).status_code != 401

    await gateway.until(known)
    assert (await other.put(HERE, json={"days": 1})).status_code == 200
    assert (await gateway.http.get(HERE)).json()["is_default"]
    assert (await gateway.http.get("/v1/retention")).json() == {"items": [], "default_days": 30, "next": None}
    await gateway.deploy()
    assert await retention_of(gateway, (await gateway.start({"name": "Ada"})).json()["id"]) == "standard"
    await other.aclose()


async def test_policies_are_listed_by_namespace_in_pages(gateway: Any):
    for namespace, days in (("b", 7), ("a", 90), ("c", 7)):
        await gateway.http.put(f"/v1/retention/{namespace}", json={"days": days})
    first = (await gateway.http.get("/v1/retention", params={"limit": 2})).json()
    second = (await gateway.http.get("/v1/retention", params={"limit": 2, "cursor": first["next"]})).json()
    told = [(item["namespace"], item["days"]) for page in (first, second) for item in page["items"]]
    assert (told, second["next"]) == ([("a", 90), ("b", 7), ("c", 7)], None)


async def test_a_number_of_days_that_cannot_be_chosen_says_which_can(gateway: Any):
    refused = await gateway.http.put(HERE, json={"days": 10})
    assert refused.status_code == 400
    (error,) = refused.json()["errors"]
    assert error["pointer"] == "/days"
    assert error["detail"].startswith("10 is not one of 1, 3, 7, 14")
    assert error["detail"].endswith("the nearest is 7")
    assert (await gateway.http.put("/v1/retention/not_a_name", json={"days": 7})).status_code == 400
    assert (await gateway.http.delete(HERE)).json()["code"] == "retention_not_found"


async def test_it_takes_a_right_that_no_key_has_by_default(gateway: Any):
    made = (await gateway.http.post("/v1/keys", json={"name": "usual", "kind": "live"})).json()
    assert "retention:write" not in made["scopes"]
    async with gateway.client(made["key"]) as client:

        async def known() -> bool:
            return (await client.get(HERE)).status_code == 200

        await gateway.until(known)
        assert (await client.put(HERE, json={"days": 7})).status_code == 403


async def test_a_key_that_outlives_its_run_starts_nothing_and_says_so(gateway: Any):
    await gateway.deploy()
    run = (await gateway.start({"name": "Ada"}, Idempotency_Key="order-1")).json()["id"]
    await lose(gateway.db, "runs", id=run)
    again = await gateway.start({"name": "Ada"}, Idempotency_Key="order-1")
    assert (again.status_code, again.json()["code"]) == (410, "run_not_kept")
    assert run in again.json()["detail"]
    assert await gateway.db.fetchval("select count(*) from visapi.runs") == 0
