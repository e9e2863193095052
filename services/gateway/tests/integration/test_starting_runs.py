"""The promise: accepted is committed, once, whatever becomes of NATS, PostgreSQL or the caller."""

import asyncio
import json
from typing import Any

import httpx
import msgspec

from kit.servers import NatsServer, PostgresServer
from visapi_common.adapters.bus import Bus
from visapi_common.contracts.engine_messages import Trigger


async def test_a_started_run_is_committed_and_its_trigger_published(
    gateway: Any, shared_nats: NatsServer
) -> None:
    await gateway.deploy()
    bus = await Bus.connect(shared_nats.url(), "test")
    triggers = []
    await bus.subscribe("visapi.engine.*.trigger", triggers.append)
    await bus.flush()

    answer = await gateway.start({"name": "Ada"})

    assert answer.status_code == 202
    run = answer.json()
    assert run["status"] == "pending"
    assert run["input"] == {"name": "Ada"}
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    row = await gateway.db.fetchrow("select * from visapi.runs where id = $1", run["id"])
    assert json.loads(row["input"]) == {"inline": {"name": "Ada"}}
    await gateway.until(lambda: _any(triggers))
    trigger = msgspec.json.decode(triggers[0].data, type=Trigger)
    assert str(trigger.run) == run["id"]
    assert trigger.program == row["program"].hex()
    assert triggers[0].headers["Nats-Msg-Id"] == run["id"]
    assert trigger.trace == triggers[0].headers["traceparent"] == row["trace"]
    await bus.close()


async def _any(found: list[Any]) -> Any:
    return found


async def test_no_body_means_null(gateway: Any) -> None:
    await gateway.deploy()
    answer = await gateway.http.post("/v1/workflows/demo/hello/runs")
    assert (answer.status_code, answer.json()["input"]) == (202, None)


async def test_the_same_key_and_request_give_the_same_run(gateway: Any) -> None:
    await gateway.deploy()
    first = await gateway.start({"n": 1}, Idempotency_Key="order-1")
    again = await gateway.start({"n": 1}, Idempotency_Key='"order-1"')
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await gateway.db.fetchval("select count(*) from visapi.runs") == 1


async def test_the_same_key_with_another_body_is_a_conflict(gateway: Any) -> None:
    await gateway.deploy()
    await gateway.start({"n": 1}, Idempotency_Key="order-1")
    other = await gateway.start({"n": 2}, Idempotency_Key="order-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


async def test_fifty_simultaneous_requests_with_one_key_start_one_run(gateway: Any) -> None:
    await gateway.deploy()
    answers = await asyncio.gather(*(gateway.start({"n": 1}, Idempotency_Key="k") for _ in range(50)))
    done = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.json()["id"] for answer in done}) == 1
    assert {answer.json()["code"] for answer in answers if answer not in done} <= {"idempotency_in_flight"}
    assert await gateway.db.fetchval("select count(*) from visapi.runs") == 1


async def test_the_same_key_of_two_tenants_is_two_keys(gateway: Any) -> None:
    other = gateway.client(await gateway.key("other"))
    await gateway.until(lambda: _accepted(other))
    for client in (gateway.http, other):
        await client.post(
            "/v1/workflows", content=gateway.hello, headers={"Content-Type": "application/yaml"}
        )
    answers = [
        await client.post("/v1/workflows/demo/hello/runs", json=1, headers={"Idempotency-Key": "k"})
        for client in (gateway.http, other)
    ]
    assert answers[0].json()["id"] != answers[1].json()["id"]


async def _accepted(client: httpx.AsyncClient) -> bool:
    return (await client.get("/v1/keys/current")).status_code == 200


async def test_a_row_that_postgresql_refuses_does_not_fail_its_neighbours(gateway: Any) -> None:
    await gateway.deploy()
    await gateway.db.execute(
        "alter table visapi.runs add constraint no_bad check (position('bad' in encode(input, 'escape')) = 0)"
    )
    answers = await asyncio.gather(*(gateway.start({"v": "bad" if n == 7 else "good"}) for n in range(20)))
    assert [answer.status_code for answer in answers].count(202) == 19
    assert (answers[7].status_code, answers[7].json()["code"]) == (422, "content_refused")


async def test_input_is_held_against_the_schema_with_pointers(gateway: Any) -> None:
    await gateway.deploy(gateway.strict)
    answer = await gateway.http.post("/v1/workflows/demo/strict/runs", json={"age": -1, "x": 1})
    assert (answer.status_code, answer.json()["code"]) == (422, "input_invalid")
    assert "/age" in {error["pointer"] for error in answer.json()["errors"]}


async def test_without_nats_runs_are_accepted_all_the_same(serve: Any, nats_server: NatsServer) -> None:
    async with serve(nats_server) as gateway:
        await gateway.deploy()
        nats_server.kill()
        answer = await gateway.start({"name": "Ada"})
        assert answer.status_code == 202
        assert await gateway.db.fetchval("select count(*) from visapi.runs") == 1
        assert (await gateway.http.get("/readyz")).status_code == 200


async def test_without_postgresql_nothing_is_accepted_and_retry_after_says_when(
    gateway: Any, postgres_server: PostgresServer
) -> None:
    await gateway.deploy()
    await gateway.start(1)
    postgres_server.kill()
    try:
        answer = await gateway.start({"name": "Ada"})
        assert answer.status_code == 503
        assert answer.json()["code"] in {"unavailable", "outcome_unknown"}
        assert int(answer.headers["retry-after"]) >= 1
    finally:
        postgres_server.restart()

    async def works():
        return (await gateway.start({"name": "Ada"})).status_code == 202

    await gateway.until(works)


async def test_a_large_input_goes_to_the_artifact_store_and_comes_back_whole(gateway: Any) -> None:
    await gateway.deploy()
    value = {"text": "x" * 200_000}
    answer = await gateway.start(value)
    assert answer.status_code == 202
    stored = json.loads(await gateway.db.fetchval("select input from visapi.runs"))
    assert stored["ref"].startswith("payloads/default/")
    assert (await gateway.http.get(answer.headers["location"])).json()["input"] == value


async def test_prefer_wait_answers_the_ended_run(gateway: Any) -> None:
    await gateway.deploy()
    waiting = asyncio.create_task(gateway.start(1, Prefer="wait=30"))
    run = await gateway.until(lambda: gateway.db.fetchval("select id::text from visapi.runs"))
    await gateway.progress(run, ["workflow.started", "workflow.completed"], status="completed")
    answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert answer.json()["output"] == {"ok": True}
    assert answer.headers["preference-applied"] == "wait=30"


async def test_prefer_wait_answers_202_when_the_run_goes_on(gateway: Any) -> None:
    await gateway.deploy()
    answer = await gateway.start(1, Prefer="wait=1")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")


async def test_a_pinned_version_and_the_highest_one(gateway: Any) -> None:
    for version in ("1.0.0", "1.10.0", "1.9.0"):
        await gateway.deploy(gateway.hello.replace("1.0.0", version))
    highest = await gateway.start(1)
    pinned = await gateway.http.post("/v1/workflows/demo/hello/runs?version=1.9.0", json=1)
    missing = await gateway.http.post("/v1/workflows/demo/hello/runs?version=7.0.0", json=1)
    assert highest.json()["workflow"]["version"] == "1.10.0"
    assert pinned.json()["workflow"]["version"] == "1.9.0"
    assert (missing.status_code, missing.json()["code"]) == (404, "workflow_not_found")
