"""Finding runs: every filter, over live and ended runs alike, within one's tenant, by index scans."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from kit.servers import Database
from kit.tenants import add_tenants
from visapi_common.core.ids import uuid7_from
from visapi_gateway.gateway import SESSION
from visapi_gateway.runs.reading import conditions as run_filters
from visapi_gateway.runs.reading import store as run_store
from visapi_gateway.runs.reading.rules.filters import AttributeFilter, RunFilter

NOON_MS = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp() * 1000)
PARENT = uuid7_from(NOON_MS, 999)

NIGHTLY = """
document: {dsl: '1.0.3', namespace: sales, name: nightly, version: '1.0.0'}
schedule: {cron: '0 3 * * *'}
do: [{a: {set: {n: 1}}}]
"""
REFUND = NIGHTLY.replace("nightly", "Refund").replace("schedule:", "# schedule:")


async def put(
    gateway: Any,
    minute: int,
    *,
    tenant: str = "default",
    name: str = "order",
    version: str = "1.0.0",
    status: str = "completed",
    **attributes: Any,
) -> str:
    """A run created `minute` minutes after noon."""
    run = uuid7_from(NOON_MS + minute * 60_000, minute)
    await gateway.accepted(tenant, "sales", name, version, run=run)
    await gateway.orchestrator.write(run, status=status, attributes=attributes or None)
    return str(run)


@pytest.fixture
async def runs(gateway: Any) -> dict[str, str]:
    await add_tenants(gateway.db, "other")
    for source in (REFUND, NIGHTLY):
        assert (await gateway.deploy(source)).status_code == 201
    found = {
        "ada": await put(gateway, 1, customer="Ada", amount=50, tags=["vip", "new"], paid=True),
        "bob": await put(gateway, 2, customer="Bob", amount=7.5, status="faulted", version="2.0.0"),
        "cid": await put(gateway, 3, customer="Cid", amount=120, status="running", tags=["vip"]),
        "plain": await put(gateway, 4, name="Refund", status="cancelled"),
        "foreign": await put(gateway, 7, tenant="other", customer="Ada", amount=50, tags=["vip"]),
    }
    parent = UUID(await put(gateway, 5, name="part", status="running"))
    child = await gateway.orchestrator.start_child(parent)
    for run, status in ((parent, "suspended"), (child, "waiting")):
        await gateway.orchestrator.write(run, status=status)
    nightly = (await gateway.http.post("/v1/schedules/sales/nightly/trigger")).json()["run"]
    return {**found, "parent": str(parent), "child": str(child), "nightly": nightly}


CASES = [
    ({}, "nightly child parent plain cid bob ada"),
    ({"status": "faulted"}, "bob"),
    ({"status": ["faulted", "running"]}, "cid bob"),
    ({"workflow": "sales"}, "nightly child parent plain cid bob ada"),
    ({"workflow": "sales/order"}, "cid bob ada"),
    ({"workflow": "sales/order", "version": "2.0.0"}, "bob"),
    ({"created_after": "2026-11-26T12:03:00Z", "created_before": "2026-11-26T12:05:00Z"}, "plain cid"),
    ({"created_after": "2026-11-26T13:03:00+01:00", "created_before": "2026-11-26T13:04:00+01:00"}, "cid"),
    ({"attribute": "customer:Ada"}, "ada"),
    ({"attribute": "customer:ada"}, ""),
    ({"attribute": "tags:vip"}, "cid ada"),
    ({"attribute": ["tags:vip", "customer:Cid"]}, "cid"),
    ({"attribute": "paid:true"}, "ada"),
    ({"attribute": "amount:7.5"}, "bob"),
    ({"attribute": "amount>=50"}, "cid ada"),
    ({"attribute": "amount>50"}, "cid"),
    ({"attribute": ["amount>=7", "amount<50"]}, "bob"),
    ({"attribute": "amount<=50", "status": "completed"}, "ada"),
    ({"q": "VI"}, "cid ada"),
    ({"q": "refund"}, "plain"),
    ({"q": "nobody"}, ""),
    ({"schedule": "sales/nightly"}, "nightly"),
    ({"schedule": "sales/none"}, ""),
]


@pytest.mark.parametrize(("query", "found"), CASES, ids=[str(query) for query, _ in CASES])
async def test_a_filter_finds_what_fits_newest_first(
    gateway: Any, runs: dict[str, str], query: dict[str, Any], found: str
):
    answer = await gateway.http.get("/v1/runs", params=query)
    names = {run: name for name, run in runs.items()}
    assert answer.status_code == 200, answer.text
    assert " ".join(names[item["id"]] for item in answer.json()["items"]) == found


async def test_the_children_of_a_run_are_found_by_it(gateway: Any, runs: dict[str, str]):
    answer = await gateway.http.get("/v1/runs", params={"parent": runs["parent"]})
    assert [item["id"] for item in answer.json()["items"]] == [runs["child"]]


@pytest.mark.parametrize(
    "spelled", [lambda run: run, lambda run: run[:13], lambda run: run.replace("-", "").upper()]
)
async def test_a_run_is_found_by_the_beginning_of_its_id(gateway: Any, runs: dict[str, str], spelled: Any):
    answer = await gateway.http.get("/v1/runs", params={"q": spelled(runs["bob"])})
    assert [item["id"] for item in answer.json()["items"]] == [runs["bob"]]


async def test_a_run_shows_its_attributes(gateway: Any, runs: dict[str, str]):
    ada = (await gateway.http.get(f"/v1/runs/{runs['ada']}")).json()
    assert ada["attributes"] == {"customer": "Ada", "amount": 50, "tags": ["vip", "new"], "paid": True}
    assert (await gateway.http.get(f"/v1/runs/{runs['plain']}")).json()["attributes"] == {}


async def test_pages_of_a_filtered_list_go_on_where_they_ended(gateway: Any, runs: dict[str, str]):
    query = {"attribute": "tags:vip", "limit": "1"}
    first = (await gateway.http.get("/v1/runs", params=query)).json()
    second = (await gateway.http.get("/v1/runs", params={**query, "cursor": first["next"]})).json()
    assert [item["id"] for item in first["items"] + second["items"]] == [runs["cid"], runs["ada"]]
    assert second["next"] is None
    other = await gateway.http.get("/v1/runs", params={"attribute": "tags:new", "cursor": first["next"]})
    assert other.json()["code"] == "invalid_cursor"


async def test_another_tenant_finds_its_own_alone(gateway: Any, runs: dict[str, str]):
    async with gateway.client(await gateway.key("other")) as other:

        async def let_in() -> bool:
            return (await other.get("/v1/keys/current")).status_code == 200

        await gateway.until(let_in)
        for query in ({"attribute": "customer:Ada"}, {"q": "vip"}, {"q": runs["ada"][:6]}, {}):
            items = (await other.get("/v1/runs", params=query)).json()["items"]
            assert [item["id"] for item in items] == [runs["foreign"]], query


LIMITS = [
    ["sales/order"],
    ["sales/order", "sales/nightly"],
    ["sales/order", "sales/part", "none/*"],
    ["sales/*"],
    ["none/of", "none/*"],
]


@pytest.mark.parametrize("workflows", LIMITS, ids=str)
async def test_a_limited_key_finds_what_it_sees_of_what_fits(
    gateway: Any, runs: dict[str, str], workflows: list[str]
):
    """Whichever way the statement takes."""
    wanted = {"name": "limited", "scopes": ["runs:read"], "workflows": workflows}
    made = (await gateway.http.post("/v1/keys", json=wanted)).json()
    async with gateway.client(made["key"]) as client:
        for query, _ in CASES:
            items = (await gateway.http.get("/v1/runs", params=query)).json()["items"]
            seen = [item["id"] for item in items if _sees(workflows, item["workflow"])]
            found = (await client.get("/v1/runs", params=query)).json()["items"]
            assert [item["id"] for item in found] == seen, query
        pages: list[str] = []
        page = {"items": [], "next": ""}
        while page["next"] is not None:
            cursor = {"cursor": page["next"]} if page["next"] else {}
            page = (await client.get("/v1/runs", params={"limit": "2", **cursor})).json()
            pages += [item["id"] for item in page["items"]]
    everything = (await gateway.http.get("/v1/runs")).json()["items"]
    assert pages == [item["id"] for item in everything if _sees(workflows, item["workflow"])]


def _sees(workflows: list[str], workflow: dict[str, str]) -> bool:
    namespace, name = workflow["namespace"], workflow["name"]
    return bool({f"{namespace}/{name}", f"{namespace}/*"} & set(workflows))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("status=done", "Invalid enum value"),
        ("attribute=customer", "write name:value"),
        ("attribute=amount%3Emany", "compares numbers"),
        ("created_after=2026-11-26T12:00:00", "timezone"),
        ("q=", "length >= 1"),
        ("workflow=a&workflow=b", "is repeated"),
        ("parent=x", "UUID"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(gateway: Any, query: str, words: str):
    answer = await gateway.http.get(f"/v1/runs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")
    assert words in answer.json()["detail"]


FILTERS = [
    RunFilter(),
    RunFilter(statuses=("faulted",)),
    RunFilter(namespace="sales", name="order"),
    RunFilter(attributes=(AttributeFilter("customer", ":", "Ada"),)),
    RunFilter(attributes=(AttributeFilter("amount", ">=", 5.0),)),
    RunFilter(text="vip"),
    RunFilter(parent=PARENT),
    RunFilter(schedule=("sales", "nightly")),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
async def test_no_filter_reads_a_whole_table(postgres_db: Database, wanted: RunFilter):
    """As the gateway's role: under row-level security not every condition may use an index."""
    connection = await asyncpg.connect(
        postgres_db.gateway, server_settings={"search_path": "visapi", **SESSION}
    )
    try:
        conditions = run_filters.add_filter(run_filters.RunConditions("default", 51), wanted, [])
        plans: list[str] = []
        for statement in (run_store.LIST_RUNS, run_store.COUNT_RUNS):
            query = run_filters.complete(statement, conditions, wanted)
            async with connection.transaction():
                await connection.execute("set local visapi.tenants = 'default'")
                await connection.execute(run_filters.PLAN_ANEW)
                rows = await connection.fetch("explain " + query, *conditions.arguments)
                plans.append("\n".join(row[0] for row in rows))
    finally:
        await connection.close()
    for plan in plans:
        assert "Seq Scan" not in plan
        if wanted.attributes or wanted.text:
            assert "tenant_name_" in plan or "tenant_folded_" in plan, plan
