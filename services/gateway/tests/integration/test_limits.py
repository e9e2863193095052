"""What `GET /v1/limits` tells of flow control, as the orchestrator leaves its rows."""

from datetime import datetime
from typing import Any

import pytest

PLACES = [
    ("flow_slots", "default", "sales/order", '"ada"', 2),
    ("flow_slots", "default", "sales/order", '"ada"', 2),
    ("flow_waiting", "default", "sales/order", '"ada"', 2),
    ("flow_waiting", "default", "sales/order", '{"id":7}', 1),
    ("flow_slots", "default", "sales/refund", "", 1),
    ("flow_slots", "other", "sales/order", '"ada"', 2),
]


@pytest.fixture
async def capacity(gateway: Any) -> None:
    for table, tenant, scope, key, limit in PLACES:
        more = ("", "") if table == "flow_slots" else (", on_limit, priority", ", 'queue', 5")
        await gateway.db.execute(
            f"insert into visapi.{table} (run, tenant, scope, key, lim{more[0]})"
            f" values (gen_random_uuid(), $1, $2, $3, $4{more[1]})",
            tenant,
            scope,
            key,
            limit,
        )


async def test_each_key_says_who_is_under_way_and_who_waits(gateway: Any, capacity: None):
    items = (await gateway.http.get("/v1/limits")).json()["items"]
    told = [(item["name"], item["key"], item["limit"], item["under_way"], item["waiting"]) for item in items]
    assert told == [
        ("order", "ada", 2, 2, 1),
        ("order", {"id": 7}, 1, 0, 1),
        ("refund", None, 1, 1, 0),
    ]
    assert datetime.fromisoformat(items[0]["waiting_since"]).tzinfo is not None
    assert items[2]["waiting_since"] is None


async def test_the_pages_of_a_workflow_go_on_where_they_ended(gateway: Any, capacity: None):
    first = (await gateway.http.get("/v1/limits", params={"workflow": "sales/order", "limit": 1})).json()
    assert [item["key"] for item in first["items"]] == ["ada"]
    query = {"workflow": "sales/order", "limit": 1, "cursor": first["next"]}
    second = (await gateway.http.get("/v1/limits", params=query)).json()
    assert ([item["key"] for item in second["items"]], second["next"]) == ([{"id": 7}], None)


async def test_inherited_slots_are_not_counted_twice(gateway: Any):
    await gateway.db.execute(
        "insert into visapi.flow_slots (run, tenant, scope, key, lim, inherited)"
        " values (gen_random_uuid(), 'default', 'sales/order', '', 1, false),"
        " (gen_random_uuid(), 'default', 'sales/order', '', 1, true)"
    )
    (item,) = (await gateway.http.get("/v1/limits")).json()["items"]
    assert item["under_way"] == 1


async def test_it_takes_the_right_to_read_runs(gateway: Any):
    key = await gateway.key(scopes=("events:write",))
    async with gateway.client(key) as client:

        async def known() -> bool:
            return (await client.get("/v1/limits")).status_code != 401

        await gateway.until(known)
        assert (await client.get("/v1/limits")).status_code == 403
