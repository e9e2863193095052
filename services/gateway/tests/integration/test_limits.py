"""What `GET /v1/limits` tells of flow control, as the orchestrator leaves its rows."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from kit.ledger_rows import plant
from kit.tenants import add_tenants

ORDER, REFUND = ("default", "order"), ("default", "refund")
PLACES = [
    (ORDER, '"ada"', 2),
    (ORDER, '"ada"', 2),
    (ORDER, '"ada"', 2),
    (ORDER, '{"id":7}', 1),
    (REFUND, "", 1),
    (("other", "order"), '"ada"', 2),
]


@pytest.fixture
async def capacity(gateway: Any) -> None:
    """Runs begin: those for which there is no slot wait."""
    await add_tenants(gateway.db, "other")
    for (tenant, name), key, limit in PLACES:
        run = await gateway.accepted(tenant, "sales", name)
        await gateway.orchestrator.begin(run, key, limit)


async def test_each_key_says_who_is_under_way_and_who_waits(gateway: Any, capacity: None):
    items = (await gateway.http.get("/v1/limits")).json()["items"]
    told = [(item["name"], item["key"], item["limit"], item["under_way"], item["waiting"]) for item in items]
    assert told == [
        ("order", "ada", 2, 2, 1),
        ("order", {"id": 7}, 1, 1, 0),
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
    for inherited in (False, True):
        place = {"tenant": "default", "scope": "sales/order", "key": "", "lim": 1, "inherited": inherited}
        await plant(gateway.db, "flow_slots", run=uuid4(), **place)
    (item,) = (await gateway.http.get("/v1/limits")).json()["items"]
    assert item["under_way"] == 1


async def test_it_takes_the_right_to_read_runs(gateway: Any):
    key = await gateway.key(scopes=("events:write",))
    async with gateway.client(key) as client:

        async def known() -> bool:
            return (await client.get("/v1/limits")).status_code != 401

        await gateway.until(known)
        assert (await client.get("/v1/limits")).status_code == 403
