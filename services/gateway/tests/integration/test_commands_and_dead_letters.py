"""Commands and decisions are rows in the run's inbox before they are anything else."""

import json
import uuid
from typing import Any

import pytest

from kit.servers import NatsServer
from visapi_common.adapters.bus import Bus


@pytest.mark.parametrize("kind", ["cancel", "suspend", "resume"])
async def test_a_command_is_committed_to_the_inbox_and_hinted(
    gateway: Any, shared_nats: NatsServer, kind: str
) -> None:
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    bus = await Bus.connect(shared_nats.url(), "test")
    hints = []
    await bus.subscribe("visapi.engine.*.inbox", hints.append)
    await bus.flush()
    for _ in range(2):
        answer = await gateway.http.post(f"/v1/runs/{run}/{kind}", json={"reason": "mistake"})
        assert answer.status_code == 202
    rows = await gateway.db.fetch("select * from visapi.inbox")
    assert [(str(row["run"]), row["kind"]) for row in rows] == [(run, kind)] * 2
    body = json.loads(rows[0]["body"])
    assert body["reason"] == "mistake"
    assert body["actor"].startswith("key:")

    async def hinted():
        return any(run in hint.data.decode() for hint in hints)

    await gateway.until(hinted)
    await bus.close()


async def test_an_ended_run_takes_no_commands(gateway: Any) -> None:
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    await gateway.progress(run, ["workflow.completed"], status="completed")
    answer = await gateway.http.post(f"/v1/runs/{run}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "run_ended")
    assert await gateway.db.fetchval("select count(*) from visapi.inbox") == 0


async def test_an_uncertain_effect_is_resolved_once_and_the_run_hears_of_it(gateway: Any) -> None:
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    letter = str(await gateway.orchestrator.hold(uuid.UUID(run)))
    open_ones = (await gateway.http.get("/v1/dead-letters?resolved=false")).json()["items"]
    assert [item["id"] for item in open_ones] == [letter]
    decision = {"decision": "happened", "output": {"message_id": "1"}, "reason": "seen in the log"}
    first = await gateway.http.post(f"/v1/dead-letters/{letter}/resolve", json=decision)
    again = await gateway.http.post(f"/v1/dead-letters/{letter}/resolve", json=decision)
    assert (first.status_code, first.json()["resolution"]) == (200, "happened")
    assert (again.status_code, again.json()["code"]) == (409, "dead_letter_resolved")
    body = json.loads(await gateway.db.fetchval("select body from visapi.inbox where kind = 'resolve'"))
    assert (body["path"], body["decision"], body["output"]) == ("/do/0/a", "happened", {"message_id": "1"})


async def test_a_wrong_decision_is_refused_with_a_pointer(gateway: Any) -> None:
    answer = await gateway.http.post(f"/v1/dead-letters/{uuid.uuid4()}/resolve", json={"decision": "maybe"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/decision")


async def test_a_run_is_repeated_with_its_input_or_another_one(gateway: Any) -> None:
    await gateway.deploy()
    first = (await gateway.http.post("/v1/workflows/demo/hello/runs", json={"name": "Ada"})).json()
    again = await gateway.http.post(first["links"]["rerun"])
    assert again.status_code == 202
    assert again.json()["input"] == {"name": "Ada"}
    assert again.json()["id"] != first["id"]
    other = await gateway.http.post(
        first["links"]["rerun"], json={"input": {"name": "Bob"}, "reason": "typo"}
    )
    assert other.json()["input"] == {"name": "Bob"}
    origin = await gateway.db.fetchval("select rerun_of from visapi.runs where id = $1", other.json()["id"])
    assert str(origin) == first["id"]


async def test_a_repetition_with_one_key_is_one_run(gateway: Any) -> None:
    await gateway.deploy()
    first = (await gateway.http.post("/v1/workflows/demo/hello/runs", json={"name": "Ada"})).json()
    headers = {"Idempotency-Key": "again-1"}
    ids = {(await gateway.http.post(first["links"]["rerun"], headers=headers)).json()["id"] for _ in range(2)}
    assert len(ids) == 1


async def test_runs_of_the_system_are_not_listed(gateway: Any) -> None:
    await gateway.deploy(gateway.hello + "schedule: {on: {one: {with: {type: t}}}}\n")
    assert (await gateway.http.get("/v1/runs")).json()["items"] == []
    assert await gateway.db.fetchval("select count(*) from visapi.runs where quiet") == 1
