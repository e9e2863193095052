"""Keys that are changed, disabled, enabled and revoked, by whoever may, in the state that they have seen."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kit.ledger_rows import move_back, overwrite
from kit.servers import NatsServer
from visapi_common.core.scopes import DEFAULT_SCOPES, ROLES, SCOPES


async def make(gateway: Any, **wanted: Any) -> dict[str, Any]:
    answer = await gateway.http.post("/v1/keys", json={"name": "ci", **wanted})
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "etag": answer.headers["etag"]}


async def status(gateway: Any, key: str) -> tuple[int, str]:
    async with gateway.client(key) as client:
        answer = await client.get("/v1/keys/current")
        return answer.status_code, answer.json().get("code", answer.json().get("status"))


async def test_a_disabled_key_is_refused_with_the_reason_until_it_is_enabled(gateway: Any) -> None:
    made = await make(gateway)
    path = f"/v1/keys/{made['id']}"
    disabled = await gateway.http.post(f"{path}/disable", json={"reason": "the laptop was lost"})
    assert (disabled.status_code, disabled.json()["status"]) == (200, "disabled")
    assert disabled.json()["reason"] == "the laptop was lost"
    async with gateway.client(made["key"]) as client:
        answer = await client.get("/v1/keys/current")
    assert (answer.status_code, answer.json()["code"]) == (401, "key_disabled")
    assert "the laptop was lost" in answer.json()["detail"]
    refused = await gateway.http.post(f"{path}/rotate", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "key_ended"), (
        "its successor would be enabled"
    )
    enabled = await gateway.http.post(f"{path}/enable")
    assert (enabled.status_code, enabled.json()["status"], enabled.json()["reason"]) == (200, "active", None)
    assert (await status(gateway, made["key"]))[0] == 200
    actions = [item["action"] for item in (await gateway.http.get("/v1/audit")).json()["items"]]
    assert actions == ["key.enable", "key.disable", "key.create"]


async def test_a_revoked_key_never_returns(gateway: Any) -> None:
    for disabled_first in (True, False):
        made = await make(gateway)
        path = f"/v1/keys/{made['id']}"
        if disabled_first:
            await gateway.http.post(f"{path}/disable", json={"reason": "x"})
        assert (await gateway.http.delete(path)).status_code == 204
        assert (await gateway.http.delete(path)).status_code == 204, "likewise"
        for way, body in (("enable", None), ("disable", {"reason": "x"}), ("rotate", {})):
            answer = await gateway.http.post(f"{path}/{way}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (409, "key_ended"), way
        changed = await gateway.http.patch(path, json={"name": "x"}, headers={"If-Match": "*"})
        assert (changed.status_code, changed.json()["code"]) == (409, "key_ended")
        assert await status(gateway, made["key"]) == (401, "key_expired")
        assert (await gateway.http.get(path)).json()["status"] == "revoked"


async def test_a_key_that_was_disabled_long_ago_is_still_told_and_can_return(gateway: Any) -> None:
    made = await make(gateway)
    await gateway.http.post(f"/v1/keys/{made['id']}/disable", json={"reason": "x"})
    await move_back(gateway.db, "api_keys", timedelta(days=100), "disabled_at", id=made["id"])
    gateway.key_stored()
    assert await status(gateway, made["key"]) == (401, "key_disabled")
    await gateway.http.post(f"/v1/keys/{made['id']}/enable")
    assert (await status(gateway, made["key"]))[0] == 200


async def test_disabled_keys_count_as_keys_of_the_tenant(serve: Any, shared_nats: NatsServer) -> None:
    async with serve(shared_nats, tenant_keys_max=3) as gateway:
        made = [await make(gateway) for _ in range(2)]
        for key in made:
            await gateway.http.post(f"/v1/keys/{key['id']}/disable", json={"reason": "x"})
        answer = await gateway.http.post("/v1/keys", json={"name": "one more"})
        assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")


async def test_expired_keys_make_room_and_never_come_back(serve: Any, shared_nats: NatsServer) -> None:
    async with serve(shared_nats, tenant_keys_max=3) as gateway:
        star, past = {"If-Match": "*"}, {"expires_at": "2020-01-01T00:00:00Z"}
        for _ in range(5):
            made = await make(gateway)
            path = f"/v1/keys/{made['id']}"
            ended = await gateway.http.patch(path, json=past, headers=star)
            assert (ended.status_code, ended.json()["status"]) == (200, "expired")
            for answer in (
                await gateway.http.patch(path, json={"expires_at": None}, headers=star),
                await gateway.http.post(f"{path}/rotate", json={}),
            ):
                assert (answer.status_code, answer.json()["code"]) == (409, "key_ended")
        answer = await gateway.http.post("/v1/keys", json={"name": "ci", **past})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/expires_at")


async def test_a_change_needs_the_state_that_was_read(gateway: Any) -> None:
    made = await make(gateway, scopes=["runs:read"])
    path = f"/v1/keys/{made['id']}"
    read = await gateway.http.get(path)
    assert read.headers["etag"] == made["etag"]
    same = await gateway.http.get(path, headers={"If-None-Match": made["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    without = await gateway.http.patch(path, json={"name": "x"})
    assert (without.status_code, without.json()["code"]) == (428, "precondition_required")
    mine = {"If-Match": made["etag"]}
    first, second = [
        await gateway.http.patch(path, json={"scopes": scopes}, headers=mine)
        for scopes in (["runs:read", "runs:write"], ["workflows:read"])
    ]
    assert (first.status_code, first.json()["scopes"]) == (200, ["runs:read", "runs:write"])
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    assert first.headers["etag"] in second.json()["detail"]
    for method, way in (("POST", "/disable"), ("POST", "/enable"), ("POST", "/rotate"), ("DELETE", "")):
        body = {"reason": "x"} if way == "/disable" else {}
        answer = await gateway.http.request(method, path + way, json=body, headers=mine)
        assert answer.status_code == 412, way
    assert (await gateway.http.get(path)).json()["status"] == "active"
    weak = await gateway.http.delete(path, headers={"If-Match": f"W/{first.headers['etag']}"})
    assert weak.status_code == 412, "If-Match compares strongly"
    listed = f'"other", {first.headers["etag"]}'
    assert (await gateway.http.delete(path, headers={"If-Match": listed})).status_code == 204


async def test_of_many_changes_at_once_one_wins(gateway: Any) -> None:
    made = await make(gateway)
    path, mine = f"/v1/keys/{made['id']}", {"If-Match": made["etag"]}
    answers = await asyncio.gather(
        *(gateway.http.patch(path, json={"name": f"n{n}"}, headers=mine) for n in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
    [won] = [answer.json()["name"] for answer in answers if answer.status_code == 200]
    assert (await gateway.http.get(path)).json()["name"] == won


async def test_a_use_changes_no_etag(gateway: Any) -> None:
    made = await make(gateway)
    await status(gateway, made["key"])
    await overwrite(
        gateway.db, "api_keys", {"id": made["id"]}, last_used_at=datetime.now(UTC), last_used_from="::1"
    )
    read = await gateway.http.get(f"/v1/keys/{made['id']}")
    assert (read.headers["etag"], read.json()["last_used_from"]) == (made["etag"], "::1")


async def test_a_change_holds_at_once(gateway: Any) -> None:
    made = await make(gateway, scopes=["runs:read"])
    path, star = f"/v1/keys/{made['id']}", {"If-Match": "*"}
    async with gateway.client(made["key"]) as client:
        assert (await client.get("/v1/workflows")).status_code == 403
        await gateway.http.patch(path, json={"scopes": ["workflows:read"]}, headers=star)
        assert (await client.get("/v1/workflows")).status_code == 200
        await gateway.http.patch(path, json={"denied_addresses": ["127.0.0.0/8"]}, headers=star)
        assert (await client.get("/v1/workflows")).json()["code"] == "address_refused"
        await gateway.http.patch(path, json={"denied_addresses": None}, headers=star)
        assert (await client.get("/v1/workflows")).status_code == 200
        await gateway.http.patch(path, json={"expires_at": "2020-01-01T00:00:00Z"}, headers=star)
        assert (await client.get("/v1/workflows")).json()["code"] == "key_expired"


async def test_nobody_changes_a_key_to_more_than_their_own(gateway: Any) -> None:
    admin = await make(gateway, scopes=["keys:admin", "runs:read"], allowed_addresses=["127.0.0.1"])
    less, more = (
        await make(gateway, scopes=["runs:read"], allowed_addresses=["127.0.0.1"]),
        await make(gateway),
    )
    star = {"If-Match": "*"}
    async with gateway.client(admin["key"]) as client:
        for change in (
            {"scopes": ["runs:write"]},
            {"scopes": ["*"]},
            {"allowed_addresses": None},
            {"allowed_addresses": ["127.0.0.0/8"]},
        ):
            answer = await client.patch(f"/v1/keys/{less['id']}", json=change, headers=star)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), change
        for method, way in (
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/rotate"),
            ("POST", "/disable"),
            ("POST", "/enable"),
        ):
            body = {"reason": "x"} if way == "/disable" else {}
            answer = await client.request(method, f"/v1/keys/{more['id']}{way}", json=body, headers=star)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, way)
        assert (
            await client.patch(f"/v1/keys/{less['id']}", json={"name": "x"}, headers=star)
        ).status_code == 200


async def test_a_role_stands_for_its_scopes(gateway: Any) -> None:
    for role, scopes in ROLES.items():
        made = await make(gateway, role=role)
        assert made["scopes"] == sorted(scopes)
    assert set(ROLES["viewer"]) < set(ROLES["operator"]) < set(ROLES["developer"]) < set(ROLES["admin"])
    assert set(ROLES["admin"]) == set(SCOPES)
    assert set(ROLES["developer"]) == set(DEFAULT_SCOPES)
    for wrong in (
        {"role": "root"},
        {"role": "viewer", "scopes": ["runs:read"]},
        {"role": "admin", "kind": "admin"},
    ):
        answer = await gateway.http.post("/v1/keys", json={"name": "n", **wrong})
        assert answer.status_code == 400, wrong
    viewer = await make(gateway, scopes=["keys:admin", *ROLES["viewer"]])
    async with gateway.client(viewer["key"]) as client:
        assert (await client.post("/v1/keys", json={"name": "n", "role": "operator"})).status_code == 403
        assert (await client.post("/v1/keys", json={"name": "n", "role": "viewer"})).status_code == 201


@pytest.mark.parametrize("role", ["viewer", "operator", "developer"])
async def test_a_role_does_what_its_name_says(gateway: Any, role: str) -> None:
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    made = await make(gateway, role=role)
    expected = {
        ("GET", "/v1/runs"): True,
        ("GET", "/v1/workflows"): True,
        ("GET", "/v1/dead-letters"): True,
        ("POST", f"/v1/runs/{run}/suspend"): role != "viewer",
        ("POST", "/v1/workflows/demo/hello/runs"): role != "viewer",
        ("POST", "/v1/workflows"): role == "developer",
        ("GET", "/v1/audit"): False,
        ("PUT", "/v1/secrets/s"): False,
        ("POST", "/v1/keys"): False,
        ("PUT", "/v1/retention/demo"): False,
    }
    async with gateway.client(made["key"]) as client:
        for (method, path), may in expected.items():
            answer = await client.request(method, path)
            assert (answer.status_code != 403) == may, (method, path, answer.text)


async def test_the_last_use_is_shown_with_its_address(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visapi_gateway.kernel.access.key_upkeep.USES_S", 0.0)
    made = await make(gateway)
    await status(gateway, made["key"])

    async def noted() -> bool:
        gateway.key_stored()
        return (await gateway.http.get(f"/v1/keys/{made['id']}")).json()["last_used_from"] == "127.0.0.1"

    await gateway.until(noted)
    assert (await gateway.http.get(f"/v1/keys/{made['id']}")).json()["last_used_at"] is not None
