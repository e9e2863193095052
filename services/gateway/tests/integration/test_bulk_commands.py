"""One command for many runs: counted first, then exactly those, each once, each in the audit."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from kit.ledger_rows import overwrite
from visapi_common.adapters.clock import SystemClock

BULK = "/v1/runs/bulk"


async def started(gateway: Any, runs: int) -> list[str]:
    """Newest first, as lists are."""
    await gateway.deploy()
    answers = [
        answer
        for first in range(0, runs, 32)
        for answer in await asyncio.gather(
            *(gateway.start({"n": n}) for n in range(first, min(first + 32, runs)))
        )
    ]
    return sorted((answer.json()["id"] for answer in answers), reverse=True)


async def count(gateway: Any, action: str, **given: Any) -> dict[str, Any]:
    answer = await gateway.http.post(f"{BULK}/count", json={"action": action, "filter": given})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def step(gateway: Any, action: str, token: str, **given: Any) -> dict[str, Any]:
    body = {"action": action, "filter": given, "token": token, "reason": "the bank is closed"}
    answer = await gateway.http.post(BULK, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def everything(gateway: Any, action: str, token: str | None, **given: Any) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    while token is not None:
        steps.append(await step(gateway, action, token, **given))
        token = steps[-1]["next"]
    return steps


async def client_of(gateway: Any, tenant: str, scope: str) -> httpx.AsyncClient:
    """A client with a key that the gateway knows by now."""
    client = gateway.client(await gateway.key(tenant, (scope,)))

    async def known() -> bool:
        return (await client.get("/v1/runs")).status_code != 401

    await gateway.until(known)
    return client


async def inbox(gateway: Any) -> list[tuple[str, str]]:
    rows = await gateway.db.fetch("select run, kind from visapi.inbox order by run desc")
    return [(str(row["run"]), row["kind"]) for row in rows]


async def audited(gateway: Any, action: str) -> list[dict[str, Any]]:
    answer = await gateway.http.get("/v1/audit", params={"action": action, "limit": 200})
    return answer.json()["items"]


@pytest.mark.parametrize("action", ["cancel", "suspend"])
async def test_counting_changes_nothing_and_the_steps_tell_each_run_once(gateway: Any, action: str) -> None:
    runs = await started(gateway, 130)
    counted = await count(gateway, action, workflow="demo/hello")
    assert counted["count"] == 130
    assert await inbox(gateway) == []
    steps = await everything(gateway, action, counted["token"], workflow="demo/hello")
    assert [(one["accepted"], one["handled"], one["count"]) for one in steps] == [
        (100, 100, 130),
        (30, 130, 130),
    ]
    assert await inbox(gateway) == [(run, action) for run in runs]
    rows = await audited(gateway, f"run.{action}")
    assert len(rows) == 130
    assert {row["reason"] for row in rows} == {"the bank is closed"}
    assert len({row["details"]["bulk"] for row in rows}) == 1


async def test_a_step_sent_again_and_at_the_same_time_does_nothing_twice(gateway: Any) -> None:
    await started(gateway, 20)
    counted = await count(gateway, "cancel", workflow="demo")
    answers = await asyncio.gather(
        *(step(gateway, "cancel", counted["token"], workflow="demo") for _ in range(5))
    )
    assert sum(one["accepted"] for one in answers) == 20
    assert {one["accepted"] + one["unchanged"] for one in answers} == {20}
    assert len(await inbox(gateway)) == 20
    assert len(await audited(gateway, "run.cancel")) == 20


async def test_runs_that_came_after_the_count_are_left_alone(gateway: Any) -> None:
    runs = await started(gateway, 3)
    counted = await count(gateway, "cancel", workflow="demo/hello")
    await gateway.start({"n": "late"})
    steps = await everything(gateway, "cancel", counted["token"], workflow="demo/hello")
    assert [one["accepted"] for one in steps] == [3]
    assert [run for run, _ in await inbox(gateway)] == runs


async def test_when_others_come_into_the_state_no_more_runs_are_touched_than_were_counted(
    gateway: Any,
) -> None:
    runs = await started(gateway, 3)
    await gateway.progress(runs[1], ["workflow.suspended"], status="suspended")
    counted = await count(gateway, "resume", workflow="demo/hello")
    assert counted["count"] == 1
    await gateway.progress(runs[0], ["workflow.suspended"], status="suspended")
    steps = await everything(gateway, "resume", counted["token"], workflow="demo/hello")
    assert [(one["accepted"], one["handled"]) for one in steps] == [(1, 1)]
    assert len(await inbox(gateway)) == 1


async def test_only_runs_that_can_be_acted_on_are_counted(gateway: Any) -> None:
    runs = await started(gateway, 4)
    await gateway.progress(runs[0], ["workflow.completed"], status="completed")
    await gateway.progress(runs[1], ["workflow.faulted"], status="faulted")
    await gateway.progress(runs[2], ["workflow.suspended"], status="suspended")
    found = {
        action: (await count(gateway, action, workflow="demo"))["count"]
        for action in ("cancel", "suspend", "resume", "retry", "rerun")
    }
    assert found == {"cancel": 2, "suspend": 1, "resume": 1, "retry": 1, "rerun": 2}
    assert (await count(gateway, "rerun", workflow="demo", status=["faulted"]))["count"] == 1


async def test_each_run_is_repeated_once_however_often_the_step_is_sent(gateway: Any) -> None:
    runs = await started(gateway, 5)
    for run in runs[:4]:
        await gateway.progress(run, ["workflow.completed"], status="completed")
    counted = await count(gateway, "rerun", status=["completed"])
    for accepted in (4, 0):
        answer = await step(gateway, "rerun", counted["token"], status=["completed"])
        assert (answer["accepted"], answer["unchanged"], answer["next"]) == (accepted, 4 - accepted, None)
    rows = await gateway.db.fetch("select rerun_of, input from visapi.runs where rerun_of is not null")
    assert {str(row["rerun_of"]) for row in rows} == set(runs[:4])
    origin = {str(row["rerun_of"]): json.loads(row["input"])["inline"] for row in rows}
    assert origin == {run: (await gateway.http.get(f"/v1/runs/{run}")).json()["input"] for run in runs[:4]}
    assert {row["target"] for row in await audited(gateway, "run.rerun")} == {
        f"run:{run}" for run in runs[:4]
    }


async def test_children_are_not_run_anew_beside_their_parents_unless_asked_for(gateway: Any) -> None:
    child, parent = await started(gateway, 2)
    await overwrite(gateway.db, "runs", {"id": child}, parent=parent)
    for run in (parent, child):
        await gateway.progress(run, ["workflow.faulted"], status="faulted")
    await overwrite(gateway.db, "runs_done", {"id": child}, parent=parent)
    assert (await count(gateway, "rerun", workflow="demo"))["count"] == 1
    assert (await count(gateway, "rerun", parent=parent))["count"] == 1


async def test_a_run_that_cannot_be_taken_up_is_named_and_the_others_are_not_held_up(gateway: Any) -> None:
    runs = await started(gateway, 2)
    for run in runs:
        await gateway.progress(run, ["workflow.faulted"], status="faulted")
    counted = await count(gateway, "retry", status=["faulted"])
    answer = await step(gateway, "retry", counted["token"], status=["faulted"])
    assert (answer["accepted"], answer["handled"], answer["next"]) == (0, 2, None)
    assert [(one["run"], one["code"]) for one in answer["refused"]] == [
        (run, "run_not_retryable") for run in runs
    ]


async def test_a_token_is_good_for_what_was_counted_and_nothing_else(gateway: Any) -> None:
    await started(gateway, 1)
    counted = await count(gateway, "suspend", workflow="demo/hello")
    other = await client_of(gateway, "other", "*")
    for client, action, given in (
        (gateway.http, "cancel", {"workflow": "demo/hello"}),
        (gateway.http, "suspend", {"workflow": "demo"}),
        (other, "suspend", {"workflow": "demo/hello"}),
    ):
        body = {"action": action, "filter": given, "token": counted["token"]}
        answer = await client.post(BULK, json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    assert await inbox(gateway) == []
    await other.aclose()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "cancel", "filter": {}}, "/filter"),
        ({"action": "cancel", "filter": {"status": ["completed"]}}, "/filter/status"),
        ({"action": "cancel", "filter": {"workflow": "demo"}, "version": "2.0.0"}, "/version"),
        ({"action": "delete", "filter": {"workflow": "demo"}}, "/action"),
        ({"action": "cancel", "filter": {"workflow": "demo", "state": "running"}}, "/filter"),
    ],
)
async def test_what_is_not_understood_is_refused_with_its_place(
    gateway: Any, body: dict[str, Any], pointer: str
) -> None:
    answer = await gateway.http.post(f"{BULK}/count", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_a_reason_is_kept_by_every_run_and_therefore_short(gateway: Any) -> None:
    body = {"action": "cancel", "filter": {"workflow": "demo"}, "token": "t", "reason": "x" * 2001}
    answer = await gateway.http.post(BULK, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/reason")


async def test_a_key_that_may_only_read_counts_nothing(gateway: Any) -> None:
    reader = await client_of(gateway, "default", "runs:read")
    answer = await reader.post(f"{BULK}/count", json={"action": "cancel", "filter": {"workflow": "demo"}})
    assert answer.status_code == 403
    await reader.aclose()


async def test_a_token_of_yesterday_does_nothing(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await started(gateway, 1)
    counted = await count(gateway, "cancel", workflow="demo")
    late = datetime.now(UTC) + timedelta(days=1, minutes=1)
    monkeypatch.setattr(SystemClock, "now", lambda _: late)
    body = {"action": "cancel", "filter": {"workflow": "demo"}, "token": counted["token"]}
    answer = await gateway.http.post(BULK, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    assert "count the runs again" in answer.json()["detail"]
    assert await inbox(gateway) == []
