"""Endpoints as a resource: made, listed, changed, rotated, removed; what is sent to them is read, tried and replayed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kit.ledger_rows import move_back, overwrite, plant
from kit.servers import NatsServer
from visapi_gateway.endpoints.messages.service import ATTEMPTS_MAX, PINGS_MAX

URL = "https://partner.example.com/webhooks"


async def make(gateway: Any, **wanted: Any) -> dict[str, Any]:
    answer = await gateway.http.post(
        "/v1/endpoints", json={"name": "partner", "url": URL, "types": ["run.completed"], **wanted}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_endpoint_is_made_listed_changed_and_removed(gateway: Any):
    made = await make(gateway, filter={"workflows": ["shop/*"]}, ordered=True)
    assert made["secret"].startswith("whsec_")
    read = (await gateway.http.get(made["links"]["self"])).json()
    assert {name: read[name] for name in read} == {name: made[name] for name in read}
    assert "secret" not in read
    assert (read["filter"], read["ordered"]) == ({"workflows": ["shop/*"], "sources": None}, True)
    await make(gateway, name="another", types=["*"])
    page = (await gateway.http.get("/v1/endpoints", params={"limit": 1})).json()
    assert [item["name"] for item in page["items"]] == ["another"]
    rest = (await gateway.http.get("/v1/endpoints", params={"limit": 1, "cursor": page["next"]})).json()
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["partner"], None)
    named = (await gateway.http.get("/v1/endpoints", params={"name": "partner"})).json()
    assert [item["id"] for item in named["items"]] == [made["id"]]
    again = await gateway.http.post("/v1/endpoints", json={"name": "partner", "url": URL, "types": ["*"]})
    assert (again.status_code, again.json()["code"]) == (409, "endpoint_exists")

    body = {"filter": {"sources": ["/shop"]}, "types": ["event.order.*"], "enabled": False}
    changed = (await gateway.http.patch(made["links"]["self"], json=body)).json()
    assert changed["filter"] == {"workflows": None, "sources": ["/shop"]}
    assert (changed["types"], changed["url"], changed["ordered"]) == (["event.order.*"], URL, True)
    assert (changed["enabled"], changed["disabled_reason"]) == (False, "key")
    wants = "select wants from visapi.endpoints where name = $1"
    assert [await gateway.db.fetchval(wants, name) for name in ("partner", "another")] == [4, 7]
    enabled = (await gateway.http.patch(made["links"]["self"], json={"enabled": True})).json()
    assert (enabled["enabled"], enabled["disabled_reason"], enabled["disabled_at"]) == (True, None, None)
    assert (await gateway.http.delete(made["links"]["self"])).status_code == 204
    for path in (made["links"]["self"], made["links"]["messages"]):
        gone = await gateway.http.get(path)
        assert (gone.status_code, gone.json()["code"]) == (404, "endpoint_not_found")
    secrets = "select count(*) from visapi.endpoint_secrets where endpoint = $1"
    assert await gateway.db.fetchval(secrets, made["id"]) == 0
    assert (await make(gateway))["id"] != made["id"]
    actions = {item["action"] for item in (await gateway.http.get("/v1/audit")).json()["items"]}
    assert {"endpoint.create", "endpoint.update", "endpoint.remove"} <= actions


async def test_no_secret_is_stored_or_shown_as_it_is(gateway: Any):
    made = await make(gateway)
    rotated = (await gateway.http.post(made["links"]["rotate"], json={})).json()
    texts = [(await gateway.http.get("/v1/endpoints")).text, (await gateway.http.get("/v1/audit")).text]
    for table in ("endpoints", "endpoint_secrets", "audit"):
        texts += [str(dict(row)) for row in await gateway.db.fetch(f"select * from visapi.{table}")]
    for secret in (made["secret"], rotated["secret"]):
        assert not any(secret in text for text in texts)
    allowed = "select has_column_privilege('visapi_gateway', 'visapi.endpoint_secrets', 'sealed', 'select')"
    assert await gateway.db.fetchval(allowed) is False


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"url": "ftp://example.com/"}, "/url"),
        ({"url": "https://user:password@example.com/"}, "/url"),
        ({"url": "https://"}, "/url"),
        ({"types": ["run.complete"]}, "/types/0"),
        ({"types": ["run.*", "task.nothing*"]}, "/types/1"),
        ({"types": ["order.paid"]}, "/types/0"),
        ({"types": ["event."]}, "/types/0"),
        ({"types": ["ru*"]}, "/types/0"),
        ({"types": ["event.*.paid"]}, "/types/0"),
        ({"types": []}, "/types"),
        ({"types": ["*"] * 101}, "/types"),
        ({"filter": {"workflows": []}}, "/filter/workflows"),
        ({"filter": {"subjects": ["x"]}}, "/filter"),
        ({"name": "Not a name"}, "/name"),
    ],
)
async def test_an_endpoint_that_cannot_be_is_refused_where_it_is_wrong(
    gateway: Any, wanted: Any, pointer: str
):
    body = {"name": "partner", "url": URL, "types": ["*"], **wanted}
    answer = await gateway.http.post("/v1/endpoints", json=body)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (400, [pointer])


async def test_four_secrets_may_be_valid_and_no_fifth(gateway: Any):
    made = await make(gateway)
    for _ in range(3):
        assert (await gateway.http.post(made["links"]["rotate"], json={})).status_code == 200
    full = await gateway.http.post(made["links"]["rotate"], json={})
    assert (full.status_code, full.json()["code"]) == (409, "quota_exceeded")
    sharp = await gateway.http.post(made["links"]["rotate"], json={"overlap_s": 0})
    assert (sharp.status_code, len(sharp.json()["secrets"])) == (200, 1)


async def test_endpoints_are_bounded(serve: Any, shared_nats: NatsServer):
    async with serve(shared_nats, tenant_endpoints_max=2) as few:
        for name in ("a", "b"):
            await make(few, name=name)
        answer = await few.http.post("/v1/endpoints", json={"name": "c", "url": URL, "types": ["*"]})
        assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")
        assert "VISAPI_TENANT_ENDPOINTS_MAX" in answer.json()["detail"]


async def test_reading_needs_the_scope_to_read_and_the_rest_the_scope_to_write(gateway: Any):
    made = await make(gateway)
    ping = (await gateway.http.post(made["links"]["ping"])).json()
    reader, nobody = [
        (await gateway.http.post("/v1/keys", json={"name": "k", "scopes": [scope]})).json()["key"]
        for scope in ("endpoints:read", "runs:read")
    ]
    reads = ["/v1/endpoints", made["links"]["self"], made["links"]["messages"], ping["links"]["self"]]
    writes = [
        ("POST", "/v1/endpoints", {"name": "b", "url": URL, "types": ["*"]}),
        ("PATCH", made["links"]["self"], {"enabled": False}),
        ("DELETE", made["links"]["self"], None),
        ("POST", made["links"]["rotate"], {}),
        ("POST", made["links"]["ping"], None),
        ("POST", ping["links"]["replay"], {}),
    ]
    async with gateway.client(reader) as client:
        assert {(await client.get(path)).status_code for path in reads} == {200}
        assert {(await client.request(way, path, json=body)).status_code for way, path, body in writes} == {
            403
        }
    async with gateway.client(nobody) as client:
        assert {(await client.get(path)).status_code for path in reads} == {403}


async def test_a_ping_and_its_attempts_are_read_and_it_is_sent_again(gateway: Any):
    made = await make(gateway)
    ping = await gateway.http.post(made["links"]["ping"])
    assert (ping.status_code, ping.headers["location"]) == (202, ping.json()["links"]["self"])
    message = ping.json()
    assert (message["state"], message["attempts"], message["log"]) == ("pending", 0, [])
    assert message["body"]["type"] == message["type"] == "endpoint.ping"
    assert message["body"]["data"]["endpoint"] == made["id"]
    await overwrite(
        gateway.db, "endpoint_messages", {"id": message["id"]}, state="failed", attempts=10, attempts_left=0
    )
    said = {"status": 500, "response": b"no \xff", "took_ms": 7}
    await plant(gateway.db, "endpoint_attempts", message=message["id"], number=10, tenant="default", **said)
    failed = (await gateway.http.get(message["links"]["self"])).json()
    assert (failed["state"], failed["next_attempt_at"]) == ("failed", None)
    assert [(one["status"], one["response"]) for one in failed["log"]] == [(500, "no \ufffd")]
    listed = (await gateway.http.get(made["links"]["messages"], params={"state": "failed"})).json()["items"]
    assert [item["id"] for item in listed] == [message["id"]]
    none = (await gateway.http.get(made["links"]["messages"], params={"state": "delivered"})).json()["items"]
    assert none == []
    again = await gateway.http.post(message["links"]["replay"], json={"reason": "they mended it"})
    assert (again.status_code, again.json()["state"], again.json()["attempts"]) == (202, "pending", 10)
    row = await gateway.db.fetchrow("select * from visapi.endpoint_messages where id = $1", message["id"])
    assert (row["attempts_left"], row["ended_at"]) == (10, None)
    assert row["next_at"] <= await gateway.db.fetchval("select now()")


async def test_bodies_are_shown_without_what_is_secret_or_personal(gateway: Any):
    made = await make(gateway)
    message = (await gateway.http.post(made["links"]["ping"])).json()["links"]["self"]
    hidden = b'{"password":"correct horse","to":"ada@example.com","n":1}'
    await overwrite(gateway.db, "endpoint_news", {}, data=hidden)
    text = (await gateway.http.get(message)).text
    assert '"n":1' in text
    assert not any(one in text for one in ("correct horse", "ada@"))
    # JSON that nobody here can read is shown as text.
    await overwrite(gateway.db, "endpoint_news", {}, data=b'{"n":1e999}')
    assert "1e999" in (await gateway.http.get(message)).json()["body"]


async def test_a_large_body_is_read_and_masked_outside_of_the_event_loop(gateway: Any):
    made = await make(gateway)
    message = (await gateway.http.post(made["links"]["ping"])).json()["links"]["self"]
    text = b"word " * 20_000
    hidden = b'{"password":"correct horse","to":"ada@example.com","n":1,"text":"%b"}' % text
    await overwrite(gateway.db, "endpoint_news", {}, data=hidden)
    shown = (await gateway.http.get(message)).text
    assert '"n":1' in shown
    assert len(shown) < len(text) / 2
    assert not any(one in shown for one in ("correct horse", "ada@"))
    assert gateway.lifecycle.metrics.bounded_jobs.labels(job="mask", outcome="done")._value.get() == 1


async def test_a_replay_waits_for_the_attempt_that_is_under_way(gateway: Any):
    made = await make(gateway)
    links = (await gateway.http.post(made["links"]["ping"])).json()["links"]
    ends = datetime.now(UTC) + timedelta(seconds=30)
    claimed = {"attempts": 10, "attempts_left": 0, "lease_owner": "one", "next_at": ends}
    await overwrite(gateway.db, "endpoint_messages", {}, **claimed)
    for _ in range(2):
        assert (await gateway.http.post(links["replay"], json={})).status_code == 202
        row = await gateway.db.fetchrow("select * from visapi.endpoint_messages")
        assert (row["state"], row["attempts_left"], row["lease_owner"]) == ("pending", 10, "replayed")
        assert row["next_at"] == ends


async def test_pings_and_replays_are_bounded(gateway: Any):
    made = await make(gateway)
    pings = [await gateway.http.post(made["links"]["ping"]) for _ in range(PINGS_MAX)]
    assert {ping.status_code for ping in pings} == {202}
    full = await gateway.http.post(made["links"]["ping"])
    assert (full.status_code, full.json()["code"]) == (409, "quota_exceeded")
    await move_back(gateway.db, "endpoint_messages", timedelta(hours=1), "created_at")
    assert (await gateway.http.post(made["links"]["ping"])).status_code == 202
    ping = pings[0].json()
    await overwrite(gateway.db, "endpoint_messages", {"id": ping["id"]}, attempts=ATTEMPTS_MAX)
    tried = await gateway.http.post(ping["links"]["replay"], json={})
    assert (tried.status_code, tried.json()["code"]) == (409, "quota_exceeded")


async def test_a_key_that_may_not_read_runs_has_nobody_sent_their_outputs(gateway: Any):
    runs = await make(gateway)
    wanted = {"name": "ci", "scopes": ["endpoints:read", "endpoints:write"]}
    key = (await gateway.http.post("/v1/keys", json=wanted)).json()["key"]
    async with gateway.client(key) as client:
        body = {"name": "events", "url": URL, "types": ["event.*"]}
        events = await client.post("/v1/endpoints", json=body)
        assert events.status_code == 201, events.text
        refused = [
            await client.post("/v1/endpoints", json={"name": "more", "url": URL, "types": types})
            for types in (["*"], ["run.*"], ["event.*", "task.faulted"])
        ]
        refused += [
            await client.patch(runs["links"]["self"], json={"url": "https://elsewhere.example.com/"}),
            await client.patch(runs["links"]["self"], json={"filter": {}}),
            await client.patch(events.json()["links"]["self"], json={"types": ["run.*"]}),
        ]
        assert {(one.status_code, one.json()["code"]) for one in refused} == {(403, "forbidden")}
        assert (await client.patch(runs["links"]["self"], json={"enabled": False})).status_code == 200
        assert (await client.patch(events.json()["links"]["self"], json={"url": URL})).status_code == 200


async def test_a_key_that_may_not_read_runs_sees_no_body_about_them(gateway: Any):
    made = await make(gateway)
    links = (await gateway.http.post(made["links"]["ping"])).json()["links"]
    for table in ("endpoint_messages", "endpoint_news"):
        await overwrite(gateway.db, table, {}, type="run.completed")
    wanted = {"name": "board", "scopes": ["endpoints:read", "endpoints:write"]}
    key = (await gateway.http.post("/v1/keys", json=wanted)).json()["key"]
    async with gateway.client(key) as client:
        assert (await client.get(links["self"])).json()["body"] is None
        assert (await client.post(links["replay"], json={})).json()["body"] is None
    assert (await gateway.http.get(links["self"])).json()["body"]["type"] == "run.completed"


async def test_messages_are_listed_newest_first_and_a_disabled_endpoint_is_not_pinged(gateway: Any):
    made = await make(gateway)
    pings = [(await gateway.http.post(made["links"]["ping"])).json()["id"] for _ in range(3)]
    page = (await gateway.http.get(made["links"]["messages"], params={"limit": 2})).json()
    rest = (
        await gateway.http.get(made["links"]["messages"], params={"limit": 2, "cursor": page["next"]})
    ).json()
    assert [item["id"] for item in [*page["items"], *rest["items"]]] == pings[::-1]
    await gateway.http.patch(made["links"]["self"], json={"enabled": False})
    refused = await gateway.http.post(made["links"]["ping"])
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
    nowhere = await gateway.http.get(f"{made['links']['messages']}/{made['id']}")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "message_not_found")


async def test_without_a_key_to_seal_with_no_endpoint_is_made(serve: Any, shared_nats: NatsServer):
    async with serve(shared_nats, sealing_key=None) as gateway:
        answer = await gateway.http.post("/v1/endpoints", json={"name": "a", "url": URL, "types": ["*"]})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
