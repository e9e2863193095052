"""One `Idempotency-Key` is one request: each POST, sent again, changed, and sent while it is carried out."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest

from kit import ledger_rows, webhooks
from kit.dead_letter_asks import EVENT, dead_letter_asks, kept_replay
from kit.servers import NatsServer
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.state import DoFrame, Failed, ResumePoint, State, encode_state
from visapi_gateway.kernel.api.openapi import build_openapi
from visapi_gateway.kernel.api.operation import Operation
from visapi_gateway.runs.commands import retry
from visapi_gateway.slices import operations
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry

REPEATABLE = {
    **dict.fromkeys(("simulateWorkflow", "countBulk", "countReplay", "previewTemplate"), "stores nothing"),
    **dict.fromkeys(("linkArtifact", "verifyAccount"), "each answer stands alone"),
    "receiveWebhook": "the id of a delivery is its key, for as long as the delivery is remembered",
    "postEvents": "`source` and `id` of each event are its key, for as long",
    "disableKey": "sets a state",
    "enableKey": "sets a state",
    "reportLeakedKey": "revokes, once",
    **dict.fromkeys(("suspendTenant", "resumeTenant", "eraseTenant"), "sets a state"),
    "pauseSchedule": "sets a state",
    "resumeSchedule": "sets a state",
    "decideApproval": "the first decision counts, and is answered again to whoever made it",
    "submitApprovalPage": "likewise; browsers send no key",
}
"""Operations with POST that need no `Idempotency-Key`, and why repeating them is harmless."""

NIGHTLY = """
document: {dsl: '1.0.3', namespace: demo, name: nightly, version: '1.0.0'}
schedule: {cron: '0 3 * * *'}
do: [{a: {set: {n: 1}}}]
"""
YAML = {"Content-Type": "application/yaml"}
TABLES = ("runs", "inbox", "api_keys", "workflows", "schedule_fires", "audit", "idempotency", "dead_letters", "dead_letter_replays")  # fmt: skip


class Ask(NamedTuple):
    """A request, and one with another body or target under the same key."""

    path: str
    body: Any
    other_path: str
    other_body: Any


class Things(NamedTuple):
    run: str
    faulted: str
    other: str
    letter: str
    held: str
    key: str
    token: str
    replay: str
    hook: tuple[str, str, str, str, str]


def asks(at: Things) -> dict[str, Ask]:
    """A request of each operation, and how it is changed: its body, or its target."""
    runs, schedules, started = "/v1/runs", "/v1/schedules/demo/nightly", "/v1/workflows/demo/hello/runs"
    yesterday = datetime.now(UTC) - timedelta(days=1)
    span = {"from": (yesterday - timedelta(days=2)).isoformat(), "to": yesterday.isoformat()}
    bulk = {"action": "suspend", "filter": {"workflow": "demo/hello"}, "token": at.token}
    return {
        "startRun": Ask(started, {"n": 1}, started, {"n": 2}),
        "rerunRun": Ask(f"{runs}/{at.run}/rerun", {}, f"{runs}/{at.other}/rerun", {}),
        "retryRun": Ask(f"{runs}/{at.faulted}/retry", {}, f"{runs}/{at.faulted}/retry", {"reason": "x"}),
        "cancelRun": Ask(f"{runs}/{at.other}/cancel", {}, f"{runs}/{at.run}/cancel", {}),
        "suspendRun": Ask(f"{runs}/{at.run}/suspend", {}, f"{runs}/{at.run}/suspend", {"reason": "x"}),
        "resumeRun": Ask(f"{runs}/{at.run}/resume", {}, f"{runs}/{at.other}/resume", {}),
        "stepBulk": Ask("/v1/runs/bulk", bulk, "/v1/runs/bulk", {**bulk, "reason": "x"}),
        "deployWorkflow": Ask("/v1/workflows", NIGHTLY.replace("1.0.0", "2.0.0"), "/v1/workflows", NIGHTLY.replace("1.0.0", "3.0.0")),
        "triggerSchedule": Ask(f"{schedules}/trigger", None, f"{schedules}/trigger", {}),
        "backfillSchedule": Ask(f"{schedules}/backfill", span, f"{schedules}/backfill", {**span, "dry_run": False}),
        **{name: Ask(*ask) for name, ask in webhooks.asks(*at.hook).items()},
        "makeTenant": Ask("/v1/tenants", {"id": "acme"}, "/v1/tenants", {"id": "other"}),
        "makeKey": Ask("/v1/keys", {"name": "ci"}, "/v1/keys", {"name": "cd"}),
        "rotateKey": Ask(f"/v1/keys/{at.key}/rotate", {}, f"/v1/keys/{at.key}/rotate", {"overlap_s": 5}),
        **{name: Ask(*ask) for name, ask in dead_letter_asks(at.letter, at.held, at.replay).items()},
    }  # fmt: skip


async def faulted(gateway: Any) -> str:
    """A faulted run that can be retried at its task."""
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    failed = Failed(pointer="/do/0/greet", path="/do/0/greet", parent="", how="enter", raw={"name": "Ada"})
    point = ResumePoint(failed, 1, {"": DoFrame()})
    state = encode_state(State(run=run, started=1, status=RunStatus.FAULTED, resume=point))
    await gateway.progress(run, ["workflow.faulted"], status="faulted", resume=state)
    return run


async def plant(gateway: Any) -> Things:
    await gateway.deploy()
    await gateway.deploy(NIGHTLY)
    failed = await faulted(gateway)
    run, other, held = [(await gateway.start({"n": n})).json()["id"] for n in range(3)]
    await gateway.progress(run, ["workflow.started"])
    await gateway.progress(held, ["workflow.started"])
    refused = DeadLetterEntry(
        kind="event", tenant="default", reason="bad-event", detail="x", item=("/theirs", "1"), body=b"{}"
    )
    letter = str(await gateway.orchestrator.set_aside(refused))
    stored = {name: EVENT[name] for name in ("source", "id", "type")}
    await ledger_rows.plant(gateway.db, "events_in", tenant="default", body=b"{}", **stored)
    waiting = str(await gateway.orchestrator.hold(UUID(held)))
    key = (await gateway.http.post("/v1/keys", json={"name": "old"})).json()["id"]
    wanted = {"action": "suspend", "filter": {"workflow": "demo/hello"}}
    token = (await gateway.http.post("/v1/runs/bulk/count", json=wanted)).json()["token"]
    replay = await kept_replay(gateway.http)
    return Things(
        run, failed, other, letter, waiting, key, token, replay, await webhooks.plant(gateway.http, "a" * 9)
    )


async def send(client: httpx.AsyncClient, path: str, body: Any, key: str) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    if isinstance(body, str):
        return await client.post(path, content=body, headers={**headers, **YAML})
    return await client.post(path, json=body, headers=headers)


async def counts(gateway: Any) -> dict[str, int]:
    return {table: await gateway.db.fetchval(f"select count(*) from visapi.{table}") for table in TABLES}


def test_every_post_honours_the_key_or_says_why_it_need_not() -> None:
    posts = {operation.name: operation for operation in operations() if operation.method == "POST"}
    unsaid = {name for name, operation in posts.items() if not operation.once} ^ REPEATABLE.keys()
    assert unsaid == set(), "declare `once`, or say in REPEATABLE why the operation needs no Idempotency-Key"
    sample = Things(*"abcdefgr", hook=("h", "d", "a", "e", "m"))
    assert asks(sample).keys() == posts.keys() - REPEATABLE.keys()
    assert not any(operation.public or operation.signed for operation in posts.values() if operation.once)


@pytest.mark.parametrize("operation", [one for one in operations() if one.once], ids=lambda one: one.name)
def test_the_document_says_so(operation: Operation) -> None:
    document = build_openapi([operation], "0")
    [[told]] = [list(methods.values()) for methods in document["paths"].values()]
    assert "Idempotency-Key" in {parameter["name"] for parameter in told["parameters"]}
    fine = [answer for status, answer in told["responses"].items() if status < "300"]
    assert all("Idempotent-Replayed" in answer["headers"] for answer in fine)
    assert "idempotency_in_flight" in told["responses"]["409"]["description"]
    assert "Retry-After" in told["responses"]["409"]["headers"]
    assert "idempotency_conflict" in told["responses"]["422"]["description"]


async def test_each_post_is_carried_out_once(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "TAKEN_UP_S", 0.0)
    for name, ask in asks(await plant(gateway)).items():
        at_once = await asyncio.gather(*(send(gateway.http, ask.path, ask.body, name) for _ in range(6)))
        first = [answer for answer in at_once if answer.status_code != 409]
        assert first, name
        assert all(answer.is_success for answer in first), (name, first[0].text)
        assert sum("idempotent-replayed" not in answer.headers for answer in first) == 1, name
        for early in (answer for answer in at_once if answer.status_code == 409):
            assert (early.json()["code"], early.headers["retry-after"]) == ("idempotency_in_flight", "1")
        after = await counts(gateway)
        again = await send(gateway.http, ask.path, ask.body, name)
        assert (again.status_code, again.headers.get("idempotent-replayed")) == (first[0].status_code, "true")
        assert identity(again) == identity(first[0]), name
        assert again.headers.get("location") == first[0].headers.get("location"), name
        other = await send(gateway.http, ask.other_path, ask.other_body, name)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict"), (name, other.text)
        elsewhere = await send(gateway.http, "/v1/keys", {"name": "another target"}, name)
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "idempotency_conflict"), name
        assert await counts(gateway) == after, name


def identity(answer: httpx.Response) -> dict[str, Any]:
    """What an answer is about; a resource may have changed since, and a key is shown once."""
    body = answer.json()
    return {
        name: body.get(name) for name in ("id", "run", "runs", "namespace", "version", "accepted", "handled")
    }


async def test_a_replay_of_a_key_shows_no_secret_and_stores_none(gateway: Any) -> None:
    made, again = [
        (await send(gateway.http, "/v1/keys", {"name": "ci", "scopes": ["runs:read"]}, "k")).json()
        for _ in range(2)
    ]
    assert made.pop("key").startswith("visapi_live_")
    assert again.pop("key") is None
    assert again == made
    rows = await gateway.db.fetch("select * from visapi.idempotency where key = 'k'")
    assert [row["answer"] for row in rows] == [made["id"]]


async def test_a_replay_shows_the_run_as_it_is_now(gateway: Any) -> None:
    await gateway.deploy()
    run = (await gateway.start(1, Idempotency_Key="k")).json()["id"]
    await gateway.progress(run, ["workflow.started", "workflow.completed"], status="completed")
    again = await gateway.start(1, Idempotency_Key="k")
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.json()["status"], again.json()["output"]) == (
        202,
        "completed",
        {"ok": True},
    )
    waited = await gateway.start(1, Idempotency_Key="k", Prefer="wait=5")
    assert (waited.status_code, waited.headers["idempotent-replayed"]) == (200, "true")


async def test_what_was_deployed_since_does_not_refuse_a_request_that_was_carried_out(gateway: Any) -> None:
    await gateway.deploy()
    first = await gateway.start({"n": 1}, Idempotency_Key="k")
    stricter = gateway.strict.replace("name: strict", "name: hello").replace("1.0.0", "2.0.0")
    assert (await gateway.deploy(stricter)).status_code == 201

    async def refused() -> bool:
        return (await gateway.start({"n": 1})).status_code == 422

    await gateway.until(refused)
    again = await gateway.start({"n": 1}, Idempotency_Key="k")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    other = await gateway.start({"n": 2}, Idempotency_Key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


async def test_a_rerun_of_another_run_is_another_request(gateway: Any) -> None:
    await gateway.deploy()
    one, two = [(await gateway.start({"n": 1})).json()["id"] for _ in range(2)]
    assert (await send(gateway.http, f"/v1/runs/{one}/rerun", {}, "k")).status_code == 202
    assert (await send(gateway.http, f"/v1/runs/{two}/rerun", {}, "k")).status_code == 422
    assert (await gateway.start({"n": 1}, Idempotency_Key="k")).status_code == 422


async def test_a_second_request_while_the_first_is_in_flight_is_told_to_wait(gateway: Any) -> None:
    await gateway.deploy()
    asks = {
        "run": lambda: gateway.start({"n": 1}, Idempotency_Key="run"),
        "key": lambda: send(gateway.http, "/v1/keys", {"name": "ci"}, "key"),
    }
    for name, ask in asks.items():
        transaction = gateway.db.transaction()
        await transaction.start()
        await gateway.db.execute("lock table visapi.idempotency in access exclusive mode")
        first = asyncio.create_task(ask())
        await gateway.until(lambda: gateway.db.fetchval(_WAITING))
        second = await ask()
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight"), name
        assert second.headers["retry-after"] == "1"
        await transaction.rollback()
        done, third = await first, await ask()
        assert done.is_success
        assert (third.status_code, third.json()["id"]) == (done.status_code, done.json()["id"])
        assert third.headers["idempotent-replayed"] == "true"


_WAITING = (
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
)


async def test_a_start_that_waits_for_its_end_is_no_longer_in_flight(gateway: Any) -> None:
    await gateway.deploy()
    waiting = asyncio.create_task(gateway.start(1, Idempotency_Key="k", Prefer="wait=30"))
    run = await gateway.until(lambda: gateway.db.fetchval("select id::text from visapi.runs"))

    async def replayed() -> bool:
        answer = await gateway.start(1, Idempotency_Key="k")
        return answer.status_code == 202 and answer.json()["id"] == run

    await gateway.until(replayed)
    await gateway.progress(run, ["workflow.completed"], status="completed")
    assert (await waiting).status_code == 200


async def test_a_request_that_failed_holds_no_key(gateway: Any) -> None:
    await gateway.deploy()
    for path, wrong, status, right in (
        ("/v1/keys", {"name": ""}, 400, {"name": "ci"}),
        ("/v1/workflows", NIGHTLY.replace("do:", "od:"), 422, NIGHTLY),
        ("/v1/workflows", gateway.hello.replace("Hello", "Bye"), 409, NIGHTLY.replace("1.0.0", "1.0.1")),
    ):
        key = f"{path}-{status}"
        assert (await send(gateway.http, path, wrong, key)).status_code == status
        answer = await send(gateway.http, path, right, key)
        assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (201, None)


async def test_deploying_the_same_content_again_holds_the_key_too(gateway: Any) -> None:
    await gateway.deploy(NIGHTLY)
    first, again = [await send(gateway.http, "/v1/workflows", NIGHTLY, "k") for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await send(gateway.http, "/v1/workflows", gateway.hello, "k")).status_code == 422
    tried = await gateway.http.post(
        "/v1/workflows?dry_run=true", content=gateway.hello, headers={**YAML, "Idempotency-Key": "dry"}
    )
    assert tried.status_code == 200
    assert (await send(gateway.http, "/v1/workflows", gateway.hello, "dry")).status_code == 201


async def test_two_gateways_carry_a_request_out_once(serve: Any, nats_server: NatsServer) -> None:
    async with serve(nats_server) as one, serve(nats_server) as two:
        await one.deploy()
        for path, body, table in (
            ("/v1/workflows/demo/hello/runs", {"n": 1}, "runs"),
            ("/v1/keys", {"name": "ci"}, "api_keys"),
            ("/v1/workflows", NIGHTLY, "workflows"),
        ):
            before = await one.db.fetchval(f"select count(*) from visapi.{table}")
            sent = [
                send((one, two)[n % 2].http, path, body, f"at once {table}".replace(" ", "-"))
                for n in range(12)
            ]
            answers = await asyncio.gather(*sent)
            told = [answer for answer in answers if answer.status_code != 409]
            assert all(answer.is_success for answer in told), table
            assert sum("idempotent-replayed" not in answer.headers for answer in told) == 1
            assert len({json.dumps(identity(answer)) for answer in told}) == 1
            assert await one.db.fetchval(f"select count(*) from visapi.{table}") == before + 1


async def test_one_tenants_keys_hold_up_no_other_tenant(gateway: Any) -> None:
    """A thousand requests in flight under one key are one place in a set; another tenant's same key is another."""
    await gateway.deploy()
    other = gateway.client(await gateway.key("other"))

    async def known() -> bool:
        return (await other.get("/v1/keys/current")).status_code == 200

    await gateway.until(known)
    transaction = gateway.db.transaction()
    await transaction.start()
    await gateway.db.execute("lock table visapi.idempotency in access exclusive mode")
    first = asyncio.create_task(gateway.start({"n": 1}, Idempotency_Key="k"))
    await gateway.until(lambda: gateway.db.fetchval(_WAITING))
    flood = await asyncio.gather(*(gateway.start({"n": 1}, Idempotency_Key="k") for _ in range(60)))
    assert {answer.status_code for answer in flood} == {409}
    theirs = asyncio.create_task(send(other, "/v1/keys", {"name": "ci"}, "k"))
    await asyncio.sleep(0.1)
    assert not theirs.done(), "it waits for its own row, and is not refused for the key of another tenant"
    await transaction.rollback()
    assert (await first).status_code == 202
    assert (await theirs).status_code == 201
    await other.aclose()
