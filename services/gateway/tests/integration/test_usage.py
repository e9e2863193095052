"""`GET /v1/usage`: what was counted, by day and workflow, to its tenant alone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from kit.ledger_rows import plant
from kit.usage_rows import NUMBERS, counted, drift, present

TODAY = datetime.now(UTC).date()


async def use(gateway: Any, day: date, workflow: str, *, tenant: str = "default", **numbers: int) -> None:
    namespace, name = workflow.split("/")
    values: dict[str, Any] = dict.fromkeys(NUMBERS, 0) | numbers
    await plant(gateway.db, "usage_days", tenant=tenant, day=day, namespace=namespace, name=name, **values)


def told(answer: httpx.Response) -> list[tuple[Any, ...]]:
    assert answer.status_code == 200, answer.text
    return [
        (item["day"], f"{item['namespace']}/{item['name']}", item["accepted"], item["completed"])
        for item in answer.json()["items"]
    ]


async def test_accepted_runs_are_counted_once_however_they_are_asked_for(gateway: Any) -> None:
    await gateway.deploy()
    first = (await gateway.start({"name": "Ada"}, Idempotency_Key="k")).json()["id"]
    for _ in range(3):
        assert (await gateway.start({"name": "Ada"}, Idempotency_Key="k")).status_code == 202
    assert (await gateway.start({"name": "Eve"}, Idempotency_Key="k")).status_code == 422
    assert (await gateway.http.post(f"/v1/runs/{first}/rerun")).status_code == 202
    large = {"text": "x" * 70_000}
    assert (await gateway.start(large)).status_code == 202
    await gateway.progress(first, ["workflow.completed"], status="completed")
    (item,) = (await gateway.http.get("/v1/usage")).json()["items"]
    assert item == {
        "day": str(TODAY), "namespace": "demo", "name": "hello", "accepted": 3, "retried": 0, "completed": 1,
        "faulted": 0, "cancelled": 0, "tasks": 0, "deliveries": 0, "artifact_bytes": item["artifact_bytes"],
    }  # fmt: skip
    assert 70_000 < item["artifact_bytes"] < 70_100
    assert drift(await counted(gateway.db, "default"), await present(gateway.db, "default")) == []


async def test_usage_is_summed_by_day_and_by_workflow_and_read_in_pages(gateway: Any) -> None:
    days = [TODAY - timedelta(days=n) for n in (40, 2, 1, 0)]
    for n, day in enumerate(days, 1):
        await use(gateway, day, "a/x", accepted=n, completed=1)
        await use(gateway, day, "b/x", accepted=10 * n)
    await gateway.deploy()
    await gateway.start(1)
    first, second = str(days[1]), str(days[2])
    rows = [
        (first, "a/x", 2, 1), (first, "b/x", 20, 0), (second, "a/x", 3, 1), (second, "b/x", 30, 0),
        (str(TODAY), "a/x", 4, 1), (str(TODAY), "b/x", 40, 0), (str(TODAY), "demo/hello", 1, 0),
    ]  # fmt: skip

    async def paged(**params: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await gateway.http.get("/v1/usage", params={**params, "limit": 2, **cursor})
            found += told(answer)
            if answer.json()["next"] is None:
                return found
            cursor = {"cursor": answer.json()["next"]}

    assert told(await gateway.http.get("/v1/usage")) == await paged() == rows
    assert await paged(by="day") == [
        (first, "None/None", 22, 1), (second, "None/None", 33, 1), (str(TODAY), "None/None", 45, 1)
    ]  # fmt: skip
    assert await paged(by="workflow") == [
        (None, "a/x", 9, 3), (None, "b/x", 90, 0), (None, "demo/hello", 1, 0)
    ]  # fmt: skip
    assert await paged(workflow="a/x", by="day") == [
        (first, "None/None", 2, 1), (second, "None/None", 3, 1), (str(TODAY), "None/None", 4, 1)
    ]  # fmt: skip
    assert told(await gateway.http.get("/v1/usage", params={"to": str(days[0]), "by": "day"})) == [
        (str(days[0]), "None/None", 11, 1)
    ]
    longer = {"from": str(days[0]), "to": second}
    assert await paged(**longer, by="workflow") == [(None, "a/x", 6, 3), (None, "b/x", 60, 0)]


async def test_what_is_not_added_up_yet_is_told_as_well(gateway: Any) -> None:
    await use(gateway, TODAY, "demo/hello", accepted=5)
    await gateway.deploy()
    await gateway.start(1)
    for by in ({}, {"by": "day"}, {"by": "workflow"}):
        (row,) = told(await gateway.http.get("/v1/usage", params=by))
        assert row[2] == 6


async def test_nothing_of_another_tenant_is_told(gateway: Any) -> None:
    async with gateway.client(await gateway.key("other")) as other:
        assert (
            await gateway.http.post("/v1/keys", json={"name": "makes the gateway read its keys"})
        ).is_success

        async def known() -> bool:
            return (await other.get("/v1/usage")).status_code == 200

        await gateway.until(known)
        await use(gateway, TODAY, "theirs/x", tenant="other", accepted=7)
        await gateway.deploy()
        await gateway.start(1)
        assert told(await other.get("/v1/usage")) == [(str(TODAY), "theirs/x", 7, 0)]
        assert told(await gateway.http.get("/v1/usage")) == [(str(TODAY), "demo/hello", 1, 0)]


async def test_a_query_that_cannot_be_says_why(gateway: Any) -> None:
    for params, said in (
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from is later than to"),
        ({"from": "0001-01-01"}, "at most 366 days"),
        ({"from": "2020-01-01", "to": "2026-02-01"}, "at most 366 days"),
        ({"from": "yesterday"}, "query parameter 'from' is wrong"),
        ({"from": "2026-02-30"}, "query parameter 'from' is wrong"),
        ({"workflow": "noslash"}, "query parameter 'workflow' is wrong"),
        ({"by": "month"}, "query parameter 'by' is wrong"),
        ({"days": "3"}, "unknown query parameter 'days'"),
    ):
        answer = await gateway.http.get("/v1/usage", params=params)
        assert (answer.status_code, said in answer.json()["detail"]) == (400, True), answer.text
    for days in ({"from": "9999-12-31"}, {"to": "0001-02-01"}):
        assert told(await gateway.http.get("/v1/usage", params=days)) == []
