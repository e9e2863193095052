"""Hooks as a resource: made, listed, changed, rotated, removed; their deliveries read and replayed."""

import json
from typing import Any

import msgspec
import pytest

from kit import webhooks
from kit.ledger_rows import lose
from kit.servers import NatsServer

PUSH = {"ref": "refs/heads/main", "password": "hunter2-hunter2", "pusher": {"email": "ada@example.com"}}
BODY = json.dumps(PUSH).encode()


async def make(gateway: Any, **wanted: Any) -> dict[str, Any]:
    answer = await gateway.http.post("/v1/hooks", json={"name": "code", "provider": "github", **wanted})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def push(
    gateway: Any, hook: dict[str, Any], delivery: str, body: bytes = BODY, secret: str = ""
) -> int:
    headers = webhooks.github(secret or hook["secret"], body, delivery=delivery)
    async with gateway.client(None) as github:
        return (await github.post(hook["path"], content=body, headers=headers)).status_code


async def test_a_hook_is_made_listed_changed_and_removed(gateway: Any):
    made = await make(gateway, settings={"headers": ["X-GitHub-Event"]})
    assert len(made["path"].rpartition("/")[2]) == 40
    assert (made["source"], made["enabled"], len(made["secret"])) == ("/hooks/code", True, 64)
    read = (await gateway.http.get(made["links"]["self"])).json()
    assert {name: read[name] for name in read} == {name: made[name] for name in read}
    assert "secret" not in read
    assert [each["purpose"] for each in read["secrets"]] == ["signature"]
    await make(gateway, name="another")
    page = (await gateway.http.get("/v1/hooks", params={"limit": 1})).json()
    assert [item["name"] for item in page["items"]] == ["another"]
    rest = (await gateway.http.get("/v1/hooks", params={"limit": 1, "cursor": page["next"]})).json()
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["code"], None)
    named = (await gateway.http.get("/v1/hooks", params={"name": "code"})).json()
    assert [item["id"] for item in named["items"]] == [made["id"]]
    again = await gateway.http.post("/v1/hooks", json={"name": "code", "provider": "none"})
    assert (again.status_code, again.json()["code"]) == (409, "hook_exists")

    changed = await gateway.http.patch(made["links"]["self"], json={"settings": {"once_by": "content"}})
    assert (changed.json()["settings"]["once_by"], changed.json()["settings"]["headers"]) == ("content", [])
    assert changed.json()["enabled"] is True
    assert (await gateway.http.delete(made["links"]["self"])).status_code == 204
    for path in (made["links"]["self"], made["links"]["deliveries"], made["links"]["refusals"]):
        gone = await gateway.http.get(path)
        assert (gone.status_code, gone.json()["code"]) == (404, "hook_not_found")
    assert (
        await gateway.db.fetchval("select count(*) from visapi.hook_secrets where hook = $1", made["id"]) == 0
    )
    assert (await make(gateway, name="code"))["id"] != made["id"]
    actions = {item["action"] for item in (await gateway.http.get("/v1/audit")).json()["items"]}
    assert {"hook.create", "hook.update", "hook.remove"} <= actions


async def test_no_secret_is_stored_or_shown_as_it_is(gateway: Any):
    given = "what-stripe-shows-in-its-dashboard"
    await make(gateway, name="pay", provider="stripe", secret=given)
    made = await make(gateway)
    texts = [(await gateway.http.get("/v1/hooks")).text, (await gateway.http.get("/v1/audit")).text]
    for table in ("hooks", "hook_secrets", "audit"):
        texts += [str(dict(row)) for row in await gateway.db.fetch(f"select * from visapi.{table}")]
    for secret in (given, made["secret"]):
        assert not any(secret in text for text in texts)
    # The gateway itself reads what is sealed through the address alone.
    allowed = "select has_column_privilege('visapi_gateway', 'visapi.hook_secrets', 'sealed', 'select')"
    assert await gateway.db.fetchval(allowed) is False


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"secret": "short"}, "/secret"),
        ({"provider": "standard-webhooks", "secret": "whsec_not base64 at all!"}, "/secret"),
        ({"provider": "basic", "secret": "no-colon-and-no-password"}, "/secret"),
        ({"provider": "none", "secret": "0123456789abcdef"}, "/secret"),
        ({"verify_token": "0123456789abcdef"}, "/verify_token"),
        ({"provider": "whatsapp", "verify_token": "short"}, "/verify_token"),
        ({"provider": "hmac"}, "/settings/hmac"),
        ({"settings": {"hmac": {"header": "X-A"}}}, "/settings/hmac"),
        ({"settings": {"id_from": "/id"}}, "/settings/id_from"),
        ({"settings": {"headers": ["Authorization"]}}, "/settings/headers/0"),
        ({"settings": {"headers": ["X-A", "x-a"]}}, "/settings/headers/1"),
        ({"settings": {"headers": ["X-" + "a" * 62]}}, "/settings/headers/0"),
        ({"settings": {"tolerance_s": 0}}, "/settings/tolerance_s"),
        ({"provider": "nobody"}, "/provider"),
        ({"name": "Not a name"}, "/name"),
    ],
)
async def test_a_hook_that_cannot_be_is_refused_where_it_is_wrong(gateway: Any, wanted: Any, pointer: str):
    body = {"name": "code", "provider": "github", **wanted}
    answer = await gateway.http.post("/v1/hooks", json=body)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (400, [pointer])


async def test_providers_with_secrets_of_their_own_refuse_until_they_are_given(gateway: Any):
    made = await make(gateway, name="pay", provider="stripe")
    assert (made["secret"], made["secrets"]) == (None, [])
    for body in ({}, {"purpose": "handshake"}):
        refused = await gateway.http.post(made["links"]["rotate"], json=body)
        assert refused.status_code == 400, refused.text
    given = await gateway.http.post(made["links"]["rotate"], json={"secret": "whsec_" + "x" * 32})
    assert (given.status_code, given.json()["secret"], len(given.json()["secrets"])) == (200, None, 1)


async def test_four_secrets_may_be_valid_and_no_fifth(gateway: Any):
    made = await make(gateway)
    for _ in range(3):
        assert (await gateway.http.post(made["links"]["rotate"], json={})).status_code == 200
    full = await gateway.http.post(made["links"]["rotate"], json={})
    assert (full.status_code, full.json()["code"]) == (409, "quota_exceeded")
    sharp = await gateway.http.post(made["links"]["rotate"], json={"overlap_s": 0})
    assert (sharp.status_code, len(sharp.json()["secrets"])) == (200, 1)


async def test_reading_needs_the_scope_to_read_and_the_rest_the_scope_to_write(gateway: Any):
    made = await make(gateway)
    assert await push(gateway, made, "d-1") == 202
    delivery = (await gateway.http.get(made["links"]["deliveries"])).json()["items"][0]
    reader, nobody = [
        (await gateway.http.post("/v1/keys", json={"name": "k", "scopes": [scope]})).json()["key"]
        for scope in ("hooks:read", "runs:read")
    ]
    reads = [
        "/v1/hooks",
        *(made["links"][name] for name in ("self", "deliveries", "refusals")),
        delivery["links"]["self"],
    ]
    writes = [
        ("POST", "/v1/hooks", {"name": "x", "provider": "none"}),
        ("PATCH", made["links"]["self"], {"enabled": False}),
        ("POST", made["links"]["rotate"], {}),
        ("POST", delivery["links"]["replay"], {}),
        ("DELETE", made["links"]["self"], None),
    ]
    async with gateway.client(reader) as reads_only, gateway.client(nobody) as without:
        for path in reads:
            assert (await reads_only.get(path)).status_code == 200
            assert (await without.get(path)).status_code == 403
        for method, path, body in writes:
            assert (await reads_only.request(method, path, json=body)).status_code == 403


async def test_deliveries_are_listed_and_read_without_what_is_secret(gateway: Any):
    made = await make(gateway)
    for number in range(3):
        assert await push(gateway, made, f"d-{number}") == 202
    page = (await gateway.http.get(made["links"]["deliveries"], params={"limit": 2})).json()
    assert [item["delivery"] for item in page["items"]] == ["d-2", "d-1"]
    rest = (
        await gateway.http.get(made["links"]["deliveries"], params={"limit": 2, "cursor": page["next"]})
    ).json()
    assert ([item["delivery"] for item in rest["items"]], rest["next"]) == (["d-0"], None)
    one = (await gateway.http.get(made["links"]["deliveries"], params={"delivery": "d-1"})).json()["items"]
    assert [item["delivery"] for item in one] == ["d-1"]
    assert (one[0]["type"], one[0]["size"], one[0]["kept"]) == ("hook.github.push", len(BODY), True)
    whole = (await gateway.http.get(one[0]["links"]["self"])).json()
    assert whole["content"]["data"]["ref"] == "refs/heads/main"
    assert "hunter2" not in str(whole)
    assert "ada@" not in str(whole)


async def test_a_large_delivery_is_read_and_masked_outside_of_the_event_loop(gateway: Any):
    made = await make(gateway)
    body = msgspec.json.encode({"ref": "main", "password": "hunter2", "text": "word " * 20_000})
    assert await push(gateway, made, "large", body) == 202
    [item] = (await gateway.http.get(made["links"]["deliveries"])).json()["items"]
    text = (await gateway.http.get(item["links"]["self"])).text
    assert '"ref":"main"' in text
    assert len(text) < len(body) / 2
    assert "hunter2" not in text
    assert gateway.lifecycle.metrics.bounded_jobs.labels(job="mask", outcome="done")._value.get() == 1
    assert (await gateway.http.post(item["links"]["replay"], json={})).status_code == 202
    bodies = [
        msgspec.json.decode(row["body"])
        for row in await gateway.db.fetch("select body from visapi.events_in")
    ]
    assert bodies[0]["data"] == bodies[1]["data"] == msgspec.json.decode(body)


async def test_a_replay_is_an_event_of_its_own_and_one_for_each_idempotency_key(gateway: Any):
    made = await make(gateway)
    assert await push(gateway, made, "d-1") == 202
    replay = (await gateway.http.get(made["links"]["deliveries"])).json()["items"][0]["links"]["replay"]
    key = {"Idempotency-Key": "once"}
    first = await gateway.http.post(replay, json={"reason": "the workflow was wrong"}, headers=key)
    again = await gateway.http.post(replay, json={"reason": "the workflow was wrong"}, headers=key)
    other = await gateway.http.post(replay, json={}, headers=key)
    assert (first.status_code, first.json()["replays"], first.headers.get("idempotent-replayed")) == (
        202,
        1,
        None,
    )
    assert (again.status_code, again.json()["replays"], again.headers["idempotent-replayed"]) == (
        202,
        1,
        "true",
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert (await gateway.http.post(replay, json={})).json()["replays"] == 2
    rows = await gateway.db.fetch("select id, body from visapi.events_in order by received_at")
    ids = [row["id"] for row in rows]
    assert ids[0] == f"{made['id']}/d-1"
    assert [each.startswith(f"{ids[0]}/replay/") for each in ids] == [False, True, True]
    bodies = [msgspec.json.decode(row["body"]) for row in rows]
    assert [{**body, "id": ""} for body in bodies] == [{**bodies[0], "id": ""}] * 3
    assert bodies[0]["data"] == PUSH
    entry = (await gateway.http.get("/v1/audit", params={"action": "hook.replay"})).json()["items"]
    assert [each["reason"] for each in entry] == [None, "the workflow was wrong"]
    await lose(gateway.db, "hook_bodies")
    gone = await gateway.http.post(replay, json={})
    assert (gone.status_code, gone.json()["code"]) == (410, "hook_delivery_not_kept")


async def test_a_delivery_that_is_named_like_a_replay_takes_no_replay_its_place(gateway: Any):
    made = await make(gateway)
    for delivery in ("d-1/replay/1", "d-1"):
        assert await push(gateway, made, delivery) == 202
    replay = (await gateway.http.get(made["links"]["deliveries"])).json()["items"][0]["links"]["replay"]
    assert (await gateway.http.post(replay, json={})).status_code == 202
    assert await gateway.db.fetchval("select count(*) from visapi.events_in") == 3


async def test_a_hook_that_is_made_again_under_the_same_name_knows_no_delivery_of_the_removed_one(
    gateway: Any,
):
    for _ in range(2):
        made = await make(gateway)
        assert await push(gateway, made, "d-1") == 202
        assert (await gateway.http.delete(made["links"]["self"])).status_code == 204
    assert await gateway.db.fetchval("select count(*) from visapi.events_in") == 2


async def test_refused_requests_are_counted_by_reason_and_the_latest_are_kept(gateway: Any):
    made = await make(gateway)
    for number in range(30):
        assert await push(gateway, made, f"d-{number}", secret="another-secret-of-nobody") == 401
    async with gateway.client(None) as github:
        headers = webhooks.github(made["secret"], b"{", delivery="d")
        broken = await github.post(made["path"], content=b"{", headers=headers)
        assert (broken.status_code, broken.json()["code"]) == (400, "invalid_json")
        headers = webhooks.github(made["secret"], b"{}", delivery="d" * 901)
        assert (await github.post(made["path"], content=b"{}", headers=headers)).status_code == 400
    assert (await gateway.http.patch(made["links"]["self"], json={"enabled": False})).status_code == 200
    assert await push(gateway, made, "d") == 401

    async def stored() -> Any:
        found = (await gateway.http.get(made["links"]["refusals"])).json()
        return found if sum(each["count"] for each in found["counts"]) == 33 else None

    found = await gateway.until(stored)
    counts = {each["reason"]: each["count"] for each in found["counts"]}
    assert counts == {"signature": 30, "body": 1, "id": 1, "disabled": 1}
    assert len(found["latest"]) == 20
    assert found["latest"][0]["reason"] == "disabled"
    assert found["latest"][0]["address"] == "127.0.0.1"
    assert await gateway.db.fetchval("select count(*) from visapi.hook_refused_requests") == 20


async def test_a_tenant_holds_so_many_deliveries_and_bytes_and_the_oldest_go(
    serve: Any, shared_nats: NatsServer
):
    most = {"tenant_hook_deliveries_max": 1000, "tenant_hook_bytes_max": 1024 * 1024}
    async with serve(shared_nats, **most, hook_burst=100_000, hook_rate_per_s=100_000.0) as gateway:
        hook = (await gateway.http.post("/v1/hooks", json={"name": "h", "provider": "none"})).json()
        other = (await gateway.http.post("/v1/hooks", json={"name": "o", "provider": "none"})).json()
        async with gateway.client(None) as provider:
            first = await provider.post(
                other["path"], content=b"first", headers={"Content-Type": "text/plain"}
            )
            assert first.json()["duplicate"] is False
            for number in range(12):
                large = b"%03d" % number + b"x" * 100_000
                answer = await provider.post(
                    hook["path"], content=large, headers={"Content-Type": "text/plain"}
                )
                assert answer.status_code == 202
            items = (await gateway.http.get(hook["links"]["deliveries"])).json()["items"]
            assert [item["kept"] for item in items] == [True] * 10 + [False] * 2
            usage = dict(await gateway.db.fetchrow("select deliveries, bytes from visapi.hook_usage"))
            assert usage["deliveries"] == 13
            assert usage["bytes"] == await gateway.db.fetchval("select sum(size) from visapi.hook_bodies")
            assert usage["bytes"] <= most["tenant_hook_bytes_max"]
            await flood(provider, hook["path"], 1100)
            assert (await provider.post(other["path"], content=b"first", headers={"Content-Type": "text/plain"})).json() == {
                **first.json(), "duplicate": True,
            }  # fmt: skip
        held = await gateway.db.fetchval("select count(*) from visapi.hook_deliveries")
        assert held == await gateway.db.fetchval("select deliveries from visapi.hook_usage")
        assert held <= 1000
        # Nothing that was accepted is lost with what is forgotten.
        assert await gateway.db.fetchval("select count(*) from visapi.events_in") == 1 + 12 + 1100


async def flood(provider: Any, path: str, count: int) -> None:
    import asyncio

    async def some(start: int) -> None:
        for number in range(start, count, 20):
            headers = {"Content-Type": "text/plain"}
            answer = await provider.post(path, content=b"n%d" % number, headers=headers)
            assert answer.status_code == 202

    async with asyncio.TaskGroup() as group:
        for start in range(20):
            group.create_task(some(start))


async def test_a_hook_that_sends_more_than_it_may_is_told_when_to_come_again(
    serve: Any, shared_nats: NatsServer
):
    async with serve(shared_nats, hook_rate_per_s=0.01, hook_burst=3) as gateway:
        made = await make(gateway)
        statuses = [await push(gateway, made, f"d-{number}") for number in range(4)]
        assert statuses == [202, 202, 202, 429]
        # What is not verified costs the hook nothing.
        other = await make(gateway, name="other")
        for number in range(5):
            assert await push(gateway, other, f"d-{number}", secret="another-secret-of-nobody") == 401
        assert await push(gateway, other, "d") == 202
