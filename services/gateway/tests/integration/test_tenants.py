"""Tenants over HTTP: made with a first key, listed, suspended and resumed by keys that may, and by no others."""

from typing import Any

import httpx
import pytest

from kit.every_operation import known
from visapi_common.core.scopes import OPERATOR_SCOPES

EVERY = [("POST", "/v1/tenants"), ("GET", "/v1/tenants"), ("GET", "/v1/tenants/acme")] + [
    ("POST", f"/v1/tenants/acme/{verb}") for verb in ("suspend", "resume")
]


async def made(gateway: Any, tenant: str, **headers: str) -> httpx.Response:
    return await gateway.http.post("/v1/tenants", json={"id": tenant}, headers=headers)


async def test_a_new_tenant_has_one_key_that_does_everything_of_its_own_and_nothing_of_others(
    gateway: Any,
) -> None:
    answer = await made(gateway, "acme", **{"Idempotency-Key": "one"})
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/tenants/acme")
    body = answer.json()
    assert (body["status"], body["keys"], body["created_by"][:4]) == ("active", 1, "key:")
    async with gateway.client(body["key"]) as acme:
        current = (await acme.get("/v1/keys/current")).json()
        assert (current["id"], current["kind"], current["scopes"]) == (body["key_id"], "live", ["*"])
        for method, path in EVERY:
            refused = await acme.request(method, path, json={"id": "more", "reason": "x"})
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
        wanted = {"name": "n", "scopes": [*OPERATOR_SCOPES]}
        assert (await acme.post("/v1/keys", json=wanted)).status_code == 400
        assert (await acme.post("/v1/keys", json={**wanted, "kind": "admin"})).status_code == 403
        audit = (await acme.get("/v1/audit")).json()["items"]
    assert [(row["action"], row["target"]) for row in audit] == [
        ("key.create", f"key:{body['key_id']}"),
        ("tenant.create", "tenant:acme"),
    ]
    again = await made(gateway, "acme", **{"Idempotency-Key": "one"})
    assert (again.status_code, again.json()["key"], again.json()["key_id"]) == (201, None, body["key_id"])
    taken = await made(gateway, "acme")
    assert (taken.status_code, taken.json()["code"]) == (409, "tenant_exists")
    assert (await gateway.http.get("/v1/tenants/acme")).json()["keys"] == 1


async def test_a_suspended_tenant_is_refused_at_once_and_an_audit_row_says_why_each_time(
    gateway: Any,
) -> None:
    body = (await made(gateway, "acme")).json()
    async with gateway.client(body["key"]) as acme:
        for _ in range(2):
            answer = await gateway.http.post("/v1/tenants/acme/suspend", json={"reason": "unpaid"})
            assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (
                200, "suspended", "unpaid",
            )  # fmt: skip
        refused = await acme.get("/v1/keys/current")
        assert (refused.status_code, refused.json()["code"]) == (403, "tenant_disabled")
        answer = await gateway.http.post("/v1/tenants/acme/resume", json={"reason": "paid"})
        assert (answer.json()["status"], answer.json()["suspended_at"], answer.json()["reason"]) == (
            "active", None, None,
        )  # fmt: skip
        audit = (await acme.get("/v1/audit")).json()["items"]
    switches = [(row["action"], row["reason"]) for row in audit if row["reason"]]
    assert switches == [("tenant.enable", "paid"), ("tenant.disable", "unpaid")]


async def test_tenants_are_listed_by_id_and_pages_end(gateway: Any) -> None:
    for tenant in ("b-two", "a-one", "c-three"):
        assert (await made(gateway, tenant)).status_code == 201
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await gateway.http.get("/v1/tenants", params={"limit": 2, **cursor})).json()
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == sorted(seen)
    assert {"a-one", "b-two", "c-three", "default"} <= set(seen)


@pytest.mark.parametrize("kind", ["admin", "live"])
async def test_only_a_key_of_kind_admin_to_which_the_scope_was_given_does_any_of_it(
    gateway: Any, kind: str
) -> None:
    scopes = ("*",) if kind == "admin" else ("*", *OPERATOR_SCOPES)
    async with gateway.client(await gateway.key("acme", scopes, kind)) as client:
        await known(gateway, client)
        for method, path in EVERY:
            refused = await client.request(method, path, json={"id": "more", "reason": "x"})
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
        more = {"name": "n", "kind": "admin", "scopes": [*OPERATOR_SCOPES]}
        assert (await client.post("/v1/keys", json=more)).status_code == 403


async def test_nobody_locks_out_their_own_key_and_ids_that_are_none_are_not_found(gateway: Any) -> None:
    own = await gateway.http.post("/v1/tenants/default/suspend", json={"reason": "x"})
    assert (own.status_code, own.json()["code"]) == (409, "tenant_of_key")
    for tenant in ("nobody", "No-Tenant", "-", "x" * 64, "a%2Cdefault"):
        for verb in ("", "/suspend", "/resume"):
            method = "POST" if verb else "GET"
            answer = await gateway.http.request(
                method, f"/v1/tenants/{tenant}{verb}", json={"reason": "x"} if verb else None
            )
            assert (answer.status_code, answer.json()["code"]) == (404, "tenant_not_found"), tenant
    for tenant in ("No-Tenant", "-", "x" * 64, "a,default", ""):
        assert (await made(gateway, tenant)).status_code == 400, tenant
