"""Who did what: every change leaves its row, committed with it, in a chain that cannot be rewritten unseen."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest

from kit.ledger_rows import lose, overwrite
from kit.servers import Database
from visapi.admin.keys import WantedKey, create_key
from visapi.admin.operators import actor
from visapi.admin.tenants import disable_tenant, enable_tenant
from visapi_common.contracts.audit import AuditPage, AuditRecord
from visapi_common.core.api_keys import parse
from visapi_common.core.audit_chain import Break, ChainCheck
from visapi_common.core.keyrings import Keyring

PEPPER = Keyring.of(bytes(range(32)))
RUN = "/v1/workflows/demo/hello/runs"
SCHEDULED = """
document: {dsl: '1.0.3', namespace: demo, name: nightly, version: '1.0.0'}
schedule: {cron: '0 3 * * *'}
do: [{greet: {set: {text: hello}}}]
"""


async def rows(gateway: Any, **query: Any) -> list[AuditRecord]:
    answer = await gateway.http.get("/v1/audit", params={"limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=AuditPage).items


def broken(found: list[AuditRecord]) -> Break | None:
    check = ChainCheck()
    for row in found:
        check.take(row)
    return check.end()


async def test_what_an_operator_did_is_read_with_the_tenants_key_in_the_same_chain(
    gateway: Any, postgres_db: Database
):
    await gateway.deploy()
    made = WantedKey(name="spare", made_by="visapi admin", actor=actor("ada@bastion"))
    key = parse(await create_key(postgres_db.owner, PEPPER, made)).id
    await disable_tenant(postgres_db.owner, "default", actor=actor("ada@bastion"), reason="the bill")
    await enable_tenant(postgres_db.owner, "default", actor=actor("ada@bastion"))
    found = await rows(gateway)
    assert [(row.action, row.target) for row in found] == [
        ("tenant.enable", "tenant:default"),
        ("tenant.disable", "tenant:default"),
        ("key.create", f"key:{key}"),
        ("workflow.deploy", "workflow:demo/hello"),
    ]
    assert [row.actor for row in found[:3]] == ["operator:ada@bastion"] * 3
    assert broken(found) is None
    assert [row.seq for row in await rows(gateway, action="tenant.disable")] == [3]


async def test_each_change_leaves_a_row_with_actor_reason_and_request(gateway: Any):
    http = gateway.http
    await gateway.deploy()
    await http.post("/v1/workflows", content=SCHEDULED, headers={"Content-Type": "application/yaml"})
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    asked = await http.post(f"/v1/runs/{run}/suspend", json={"reason": "a look first"})
    await http.post(f"/v1/runs/{run}/cancel", json={"reason": "withdrawn"})
    again = (await http.post(f"/v1/runs/{run}/rerun", json={"reason": "once more"})).json()["id"]
    await http.put("/v1/secrets/partner", json={"value": "s3cret-kept", "hosts": ["partner.example"]})
    await http.delete("/v1/secrets/partner")
    await http.post("/v1/schedules/demo/nightly/pause")
    await http.post("/v1/schedules/demo/nightly/resume")
    key = (await http.post("/v1/keys", json={"name": "ci"})).json()["id"]
    await http.post(f"/v1/keys/{key}/rotate", json={"overlap_s": 60})
    await http.delete(f"/v1/keys/{key}")
    found = list(reversed(await rows(gateway)))
    assert [(row.action, row.target, row.reason) for row in found] == [
        ("workflow.deploy", "workflow:demo/hello", None),
        ("workflow.deploy", "workflow:demo/nightly", None),
        ("run.suspend", f"run:{run}", "a look first"),
        ("run.cancel", f"run:{run}", "withdrawn"),
        ("run.rerun", f"run:{run}", "once more"),
        ("secret.put", "secret:partner", None),
        ("secret.remove", "secret:partner", None),
        ("schedule.pause", "schedule:demo/nightly", None),
        ("schedule.resume", "schedule:demo/nightly", None),
        ("key.create", f"key:{key}", None),
        ("key.rotate", f"key:{key}", None),
        ("key.revoke", f"key:{key}", None),
    ]
    assert {row.actor for row in found} == {found[0].actor}
    assert found[0].actor.startswith("key:")
    assert found[2].request_id == asked.headers["x-request-id"]
    assert found[4].details == {"run": again}
    assert b"s3cret" not in msgspec.json.encode(found)
    assert broken(list(reversed(found))) is None


async def test_what_changed_nothing_leaves_no_row_and_each_command_leaves_one(gateway: Any):
    await gateway.deploy()
    await gateway.deploy()
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    for _ in range(2):
        await gateway.http.post(f"/v1/runs/{run}/cancel", json={})
    for path in ("/v1/secrets/none", "/v1/keys/none"):
        assert (await gateway.http.delete(path)).status_code == 404
    assert [row.action for row in await rows(gateway)] == ["run.cancel", "run.cancel", "workflow.deploy"]


async def test_a_chain_does_not_fork_however_many_write_at_once(gateway: Any):
    await gateway.deploy()
    started = [(await gateway.start({"name": str(n)})).json()["id"] for n in range(25)]
    async with asyncio.TaskGroup() as group:
        for run in started:
            group.create_task(gateway.http.post(f"/v1/runs/{run}/cancel", json={"reason": run}))
    found = await rows(gateway)
    assert [row.seq for row in found] == list(range(26, 0, -1))
    assert broken(found) is None


async def test_rows_can_be_asked_for_by_target_action_actor_and_time(gateway: Any):
    await gateway.deploy()
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    await gateway.http.post(f"/v1/runs/{run}/cancel", json={})
    (cancelled,) = await rows(gateway, target=f"run:{run}")
    assert cancelled.action == "run.cancel"
    assert await rows(gateway, action="run.cancel") == [cancelled]
    assert await rows(gateway, actor="key:nobody") == []
    assert await rows(gateway, since=cancelled.time.isoformat()) == [cancelled]
    first = (await gateway.http.get("/v1/audit", params={"limit": 1})).json()
    second = (await gateway.http.get("/v1/audit", params={"limit": 1, "cursor": first["next"]})).json()
    assert [page["items"][0]["seq"] for page in (first, second)] == [2, 1]
    assert second["next"] is None


async def test_another_tenant_sees_its_own_alone_and_most_keys_none(gateway: Any):
    await gateway.deploy()
    for tenant, scopes, status in (("other", ("*",), 200), ("default", ("runs:read",), 403)):
        async with gateway.client(await gateway.key(tenant, scopes)) as client:

            async def known(client: Any = client) -> bool:
                return (await client.get("/v1/audit")).status_code != 401

            await gateway.until(known)
            answer = await client.get("/v1/audit")
            assert answer.status_code == status
            assert answer.json().get("items", []) == []


@pytest.mark.parametrize(
    "attack",
    [
        lambda role: overwrite(role, "audit", {}, reason="none"),
        lambda role: lose(role, "audit"),
        lambda role: role.execute("truncate visapi.audit"),
        lambda role: role.execute("alter table visapi.audit disable trigger all"),
        lambda role: role.execute("drop table visapi.audit"),
    ],
    ids=["update", "delete", "truncate", "disable", "drop"],
)
async def test_the_gateways_role_can_only_add(gateway: Any, postgres_db: Database, attack: Any):
    await gateway.deploy()
    role = await asyncpg.connect(postgres_db.gateway)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attack(role)
    finally:
        role.terminate()
    for attempt in (overwrite(gateway.db, "audit", {}, reason="none"), lose(gateway.db, "audit")):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await attempt


async def test_who_goes_around_the_trigger_is_found_out(gateway: Any):
    await gateway.deploy()
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    for command in ("suspend", "cancel"):
        await gateway.http.post(f"/v1/runs/{run}/{command}", json={"reason": "because"})
    await gateway.db.execute("alter table visapi.audit disable trigger all")
    await overwrite(gateway.db, "audit", {"seq": 2}, actor="key:innocent")
    assert broken(await rows(gateway)) == Break(2, "its content is not what its hash was made of")
    await lose(gateway.db, "audit", seq=2)
    assert broken(await rows(gateway)) == Break(2, "rows 2 to 2 are missing")
