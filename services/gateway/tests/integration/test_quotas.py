"""How many versions, schedules, secrets, keys and policies a tenant may have; others notice nothing of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from kit.ledger_rows import move_back
from kit.servers import NatsServer

MOST = 4
YAML = {"Content-Type": "application/yaml"}


@pytest.fixture
async def full(serve: Any, shared_nats: NatsServer) -> AsyncIterator[Any]:
    """A gateway whose tenants may have four of everything."""
    kinds = ("versions", "schedules", "secrets", "keys", "retentions", "hooks", "endpoints", "templates")
    async with serve(shared_nats, **{f"tenant_{kind}_max": MOST for kind in kinds}) as run:
        yield run


def version(n: int, *, name: str = "many", more: str = "") -> str:
    head = f"document: {{dsl: '1.0.3', namespace: demo, name: {name}, version: '1.0.{n}'}}\n"
    return f"{head}{more}do: [{{a: {{set: {{n: {n}}}}}}}]\n"


def is_full(answer: Any, setting: str) -> bool:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "quota_exceeded"), answer.text
    return f"a tenant may have {MOST}" in problem["detail"] and setting in problem["detail"]


async def counted(full: Any, table: str) -> int:
    return await full.db.fetchval(f"select count(*) from visapi.{table} where tenant = 'default'")


async def test_versions_are_bounded_and_those_that_are_there_can_be_deployed_again(full: Any) -> None:
    for n in range(MOST):
        assert (await full.deploy(version(n))).status_code == 201
    assert is_full(await full.deploy(version(MOST)), "VISAPI_TENANT_VERSIONS_MAX")
    assert (await full.deploy(version(0))).status_code == 200
    assert await counted(full, "workflows") == MOST
    assert (await full.http.get("/v1/audit?action=workflow.deploy")).json()["items"][0]["details"][
        "version"
    ] == f"1.0.{MOST - 1}"


async def test_of_many_that_deploy_at_once_no_more_than_the_bound_succeed(full: Any) -> None:
    answers = await asyncio.gather(*(full.deploy(version(n)) for n in range(4 * MOST)))
    assert Counter(answer.status_code for answer in answers) == {201: MOST, 409: 3 * MOST}
    assert await counted(full, "workflows") == MOST


async def test_schedules_are_bounded_and_a_workflow_that_has_one_keeps_it(
    serve: Any, shared_nats: NatsServer
) -> None:
    by_time, by_event = "schedule: {every: {hours: 1}}\n", "schedule: {on: {one: {with: {type: paid}}}}\n"
    async with serve(shared_nats, tenant_schedules_max=MOST) as run:
        for n in range(MOST):
            more = by_event if n % 2 else by_time
            assert (await run.deploy(version(0, name=f"w{n}", more=more))).status_code == 201
        assert is_full(await run.deploy(version(0, name="w9", more=by_time)), "VISAPI_TENANT_SCHEDULES_MAX")
        assert is_full(await run.deploy(version(0, name="w9", more=by_event)), "VISAPI_TENANT_SCHEDULES_MAX")
        assert (await run.deploy(version(1, name="w0", more=by_event))).status_code == 201
        assert (await run.deploy(version(0, name="w9"))).status_code == 201
        assert (await run.deploy(version(1, name="w1"))).status_code == 201
        assert (await run.deploy(version(1, name="w9", more=by_time))).status_code == 201
        assert (await run.http.get("/v1/workflows/demo/w9")).json()["version"] == "1.0.1"


async def test_hooks_are_bounded_and_a_removed_one_makes_room(full: Any) -> None:
    async def make(n: int) -> Any:
        return await full.http.post("/v1/hooks", json={"name": f"h{n}", "provider": "none"})

    answers = await asyncio.gather(*(make(n) for n in range(2 * MOST)))
    assert Counter(answer.status_code for answer in answers) == {201: MOST, 409: MOST}
    assert all(is_full(answer, "VISAPI_TENANT_HOOKS_MAX") for answer in answers if answer.status_code == 409)
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    assert (await full.http.delete(made["links"]["self"])).status_code == 204
    assert (await make(99)).status_code == 201


@asynccontextmanager
async def matching(run: Any) -> AsyncIterator[None]:
    """Meanwhile an orchestrator matches events of the tenant."""
    async with run.db.transaction():
        await run.db.execute(
            "select pg_advisory_xact_lock_shared(hashtextextended('visapi.listeners/default', 0))"
        )
        yield


async def test_who_is_full_waits_for_nobody_and_holds_up_no_events(
    serve: Any, shared_nats: NatsServer
) -> None:
    by_time, by_event = "schedule: {every: {hours: 1}}\n", "schedule: {on: {one: {with: {type: paid}}}}\n"
    async with serve(shared_nats, tenant_schedules_max=2, tenant_versions_max=MOST) as run:
        assert (await run.deploy(version(0, name="hears", more=by_event))).status_code == 201
        async with matching(run), asyncio.timeout(5):
            assert (await run.deploy(version(0, name="timed", more=by_time))).status_code == 201
            refused = await run.deploy(version(0, name="third", more=by_event))
            assert "VISAPI_TENANT_SCHEDULES_MAX" in refused.json()["detail"]
            assert (await run.deploy(version(1, name="timed"))).status_code == 201
            assert (await run.deploy(version(2, name="timed"))).status_code == 201
            assert is_full(await run.deploy(version(1, name="hears", more=by_event)), "VERSIONS_MAX")
            assert is_full(await run.deploy(version(1, name="hears")), "VERSIONS_MAX")


async def test_secrets_are_bounded_and_can_be_replaced_and_removed(full: Any) -> None:
    async def put(n: int) -> Any:
        return await full.http.put(f"/v1/secrets/s{n}", json="a value that is long enough")

    answers = await asyncio.gather(*(put(n) for n in range(2 * MOST)))
    assert Counter(answer.status_code for answer in answers) == {201: MOST, 409: MOST}
    kept = [secret["name"] for secret in (await full.http.get("/v1/secrets")).json()["items"]]
    assert (await full.http.put(f"/v1/secrets/{kept[0]}", json="another value")).status_code == 204
    assert is_full(await put(99), "VISAPI_TENANT_SECRETS_MAX")
    assert (await full.http.delete(f"/v1/secrets/{kept[0]}")).status_code == 204
    assert (await put(99)).status_code == 201


async def test_keys_are_bounded_and_a_full_tenant_can_revoke_and_rotate(full: Any) -> None:
    async def make() -> Any:
        return await full.http.post("/v1/keys", json={"name": "one of many"})

    made = [await make() for _ in range(MOST - 1)]
    assert all(answer.status_code == 201 for answer in made)
    assert is_full(await make(), "VISAPI_TENANT_KEYS_MAX")
    first, second = (answer.json()["id"] for answer in made[:2])
    late = await full.http.post(f"/v1/keys/{first}/rotate", json={"overlap_s": 3600})
    assert is_full(late, "VISAPI_TENANT_KEYS_MAX")
    at_once = await full.http.post(f"/v1/keys/{first}/rotate", json={"overlap_s": 0})
    assert at_once.status_code == 201, at_once.text
    assert (await full.http.delete(f"/v1/keys/{second}")).status_code == 204
    assert (await make()).status_code == 201


async def test_keys_that_were_made_and_revoked_again_and_again_are_bounded_too(full: Any) -> None:
    async def once() -> int:
        answer = await full.http.post("/v1/keys", json={"name": "for a moment"})
        if answer.status_code == 201:
            assert (await full.http.delete(f"/v1/keys/{answer.json()['id']}")).status_code == 204
        return answer.status_code

    assert [await once() for _ in range(MOST + 3)] == [201] * (MOST + 1) + [409] * 2
    await move_back(full.db, "api_keys", timedelta(hours=2), "disabled_at", name="for a moment")
    assert await once() == 201


async def test_policies_of_namespaces_are_bounded(full: Any) -> None:
    for n in range(MOST):
        assert (await full.http.put(f"/v1/retention/n{n}", json={"days": 30})).status_code == 200
    assert is_full(await full.http.put("/v1/retention/n9", json={"days": 30}), "VISAPI_TENANT_RETENTIONS_MAX")
    assert (await full.http.put("/v1/retention/n0", json={"days": 90})).status_code == 200
    assert (await full.http.delete("/v1/retention/n1")).status_code == 204
    assert (await full.http.put("/v1/retention/n9", json={"days": 30})).status_code == 200


async def test_the_bound_of_one_tenant_is_not_anothers(full: Any) -> None:
    for n in range(MOST):
        assert (await full.deploy(version(n))).status_code == 201
    async with full.client(await full.key("other")) as other:

        async def known() -> bool:
            return (await other.get("/v1/keys/current")).status_code == 200

        assert (
            await full.http.post("/v1/keys", json={"name": "makes the gateway read its keys"})
        ).status_code == 201
        await full.until(known)
        answer = await other.post("/v1/workflows", content=version(0), headers=YAML)
        assert answer.status_code == 201, answer.text


async def test_versions_of_templates_are_bounded_also_where_their_names_are_retired(full: Any) -> None:
    def body(n: int) -> dict[str, Any]:
        return {"kind": "email", "locales": {"en": {"text": f"{n}"}}}

    for n in range(MOST):
        assert (await full.http.put(f"/v1/templates/t{n % 2}", json=body(n))).status_code == 201
    assert (await full.http.delete("/v1/templates/t0")).status_code == 204
    refused = await full.http.put("/v1/templates/t1", json=body(9))
    assert is_full(refused, "VISAPI_TENANT_TEMPLATES_MAX")
    assert (await full.http.put("/v1/templates/t1", json=body(3))).status_code == 200
