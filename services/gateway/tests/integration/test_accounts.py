"""Accounts as a resource: stored, rotated, rolled back, removed; what is sealed never comes back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from kit.ledger_rows import move_back
from visapi_common.contracts.accounts import VERSIONS_MAX

PATH = "/v1/accounts/mail"
SETTINGS = {"host": "mail.acme.example", "from": "Acme <no-reply@acme.example>"}


def account(password: str = "first-password", **more: Any) -> dict[str, Any]:
    credentials = {"username": "acme", "password": password}
    return {"kind": "smtp", "settings": SETTINGS, "credentials": credentials, **more}


def slack(token: str = "xoxb-12345678-abcdWXYZ", **more: Any) -> dict[str, Any]:
    return {"kind": "slack", "credentials": {"token": token}, **more}


async def put(gateway: Any, body: dict[str, Any], path: str = PATH) -> dict[str, Any]:
    answer = await gateway.http.put(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def states(gateway: Any) -> dict[int, str]:
    page = (await gateway.http.get(f"{PATH}/versions")).json()
    return {item["version"]: item["state"] for item in page["items"]}


async def test_an_account_is_stored_rotated_rolled_back_and_removed(gateway: Any) -> None:
    first = await gateway.http.put(PATH, json=account(default=True))
    assert first.status_code == 201, first.text
    made = first.json()
    assert (made["kind"], made["default"], made["version"], made["overlap"]) == ("smtp", True, 1, None)
    assert made["settings"] == {**SETTINGS, "port": 587, "tls": "starttls", "senders": []}
    again = await gateway.http.put(PATH, json=account("second-password"))
    assert (again.status_code, again.json()["version"], again.json()["default"]) == (200, 2, False)

    new = {"credentials": {"username": "acme", "password": "third-password"}, "overlap_s": 3600}
    rotated = (await gateway.http.post(f"{PATH}/rotate", json=new)).json()
    assert (rotated["version"], rotated["settings"]) == (3, made["settings"])
    until = datetime.fromisoformat(rotated["overlap"]["until"])
    assert rotated["overlap"]["version"] == 2
    assert abs(until - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)
    assert await states(gateway) == {3: "current", 2: "overlapping", 1: "kept"}
    confirmed = (await gateway.http.post(f"{PATH}/confirm")).json()
    assert (confirmed["version"], confirmed["overlap"]) == (3, None)

    await gateway.http.post(f"{PATH}/rotate", json=new)
    await move_back(gateway.db, "accounts", timedelta(hours=2), "overlap_until")
    assert (await gateway.http.get(PATH)).json()["overlap"] is None, "the overlap is over"
    assert (await gateway.http.post(f"{PATH}/rollback", json={})).json()["version"] == 3
    assert (await gateway.http.post(f"{PATH}/rollback", json={"version": 1})).json()["version"] == 1
    for body in ({}, {"version": 9}):
        none = await gateway.http.post(f"{PATH}/rollback", json=body)
        assert (none.status_code, none.json()["code"]) == (404, "account_version_not_found")
    huge = await gateway.http.post(f"{PATH}/rollback", json={"version": 2**31})
    assert (huge.status_code, huge.json()["code"]) == (400, "invalid_body")
    assert (await put(gateway, account()))["version"] == 5, "a number is used once"

    other = await gateway.http.put(PATH, json=slack())
    assert (other.status_code, other.json()["code"]) == (409, "account_kind_differs")
    assert (await gateway.http.delete(PATH)).status_code == 204
    for method, path in (("GET", PATH), ("GET", f"{PATH}/versions"), ("DELETE", PATH)):
        gone = await gateway.http.request(method, path)
        assert (gone.status_code, gone.json()["code"]) == (404, "account_not_found")
    assert (await put(gateway, slack()))["version"] == 1
    actions = {item["action"] for item in (await gateway.http.get("/v1/audit")).json()["items"]}
    assert {f"account.{it}" for it in ("put", "rotate", "confirm", "roll-back", "remove")} <= actions


async def test_credentials_never_come_back_and_old_versions_are_forgotten(gateway: Any) -> None:
    for _ in range(VERSIONS_MAX + 2):
        await put(gateway, account())
    await put(gateway, slack(), "/v1/accounts/board")
    paths = ("/v1/accounts", PATH, f"{PATH}/versions", "/v1/audit")
    told = "".join([(await gateway.http.get(path)).text for path in paths])
    assert "first-password" not in told
    assert "xoxb-" not in told
    shown = (await gateway.http.get("/v1/accounts/board")).json()["credentials"]
    assert shown == [{"name": "token", "ends_with": "WXYZ"}]
    assert sorted(await states(gateway)) == list(range(3, VERSIONS_MAX + 3))


async def test_one_account_of_a_kind_is_the_default_whoever_says_so_at_once(gateway: Any) -> None:
    names = [f"/v1/accounts/m{number}" for number in range(6)]
    await asyncio.gather(*(put(gateway, account(default=True), name) for name in names))
    await put(gateway, slack(default=True), "/v1/accounts/board")
    await put(gateway, account(default=True), names[3])
    page = (await gateway.http.get("/v1/accounts")).json()
    assert [item["name"] for item in page["items"] if item["default"]] == ["board", "m3"]


async def test_who_may_change_accounts_and_how_many_there_may_be(
    gateway: Any, serve: Any, shared_nats: Any
) -> None:
    key = (await gateway.http.post("/v1/keys", json={"name": "reader"})).json()["key"]
    async with gateway.client(key) as client:
        assert (await client.get("/v1/accounts")).status_code == 200
        assert (await client.put(PATH, json=account())).status_code == 403
    async with serve(shared_nats, tenant_accounts_max=2) as few:
        for number in range(2):
            await put(few, account(), f"/v1/accounts/m{number}")
        full = await few.http.put(PATH, json=account())
        assert (full.status_code, full.json()["code"]) == (409, "quota_exceeded")
        await put(few, account(), "/v1/accounts/m1")
