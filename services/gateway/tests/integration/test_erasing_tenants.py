"""A tenant is erased in pieces: nothing of it stays but its id, its erasure and its audit, and nobody else loses a row."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kit.every_operation import known, plant
from kit.ledger_rows import move_back, overwrite
from kit.orchestration import Stack
from kit.orchestrator_process import orchestrator_process
from kit.owned_rows import KEPT, owned
from kit.servers import Database, NatsServer
from visapi_common.adapters.artifacts import ArtifactStore, PayloadStore, TemplateStore
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.runtime.isolation import Isolation
from visapi_orchestrator.events.store.events import PostgresEvents
from visapi_orchestrator.transitions.store.ledger import SESSION
from visapi_orchestrator.upkeep.erasing import Erasing
from visapi_orchestrator.upkeep.rules.erasing import Piece
from visapi_orchestrator.upkeep.store.erasures import TASKS_END_S, ErasedObjects, PostgresErasures
from visapi_orchestrator.upkeep.store.levels import PostgresLevels
from visapi_orchestrator.upkeep.store.upkeep import PostgresUpkeep

ASKED = {"reason": "they asked"}


@pytest.fixture
async def pool(postgres_db: Database) -> AsyncIterator[Pool]:
    """As an orchestrator has it."""
    pool = await open_pool(postgres_db.orchestrator, size=2, application="orchestrator", session=SESSION)
    yield pool
    pool.terminate()


@pytest.fixture
def erasing(pool: Pool, tmp_path: Path) -> Any:
    """Makes what an orchestrator runs; each one stands for a process."""
    url = (tmp_path / "artifacts").as_uri()

    def process(**settings: float) -> Erasing:
        files = ErasedObjects(ArtifactStore.open(url), PayloadStore.open(url), TemplateStore.open(url))
        return Erasing(PostgresErasures(pool, **{"tasks_end_s": 0.0, **settings}), files)

    return process


async def asked(gateway: Any, tenant: str) -> None:
    assert (await gateway.http.post(f"/v1/tenants/{tenant}/suspend", json=ASKED)).status_code == 200
    answer = await gateway.http.post(f"/v1/tenants/{tenant}/erase", json={"tenant": tenant, **ASKED})
    assert (answer.status_code, answer.json()["status"]) == (202, "erasing"), answer.text
    await move_back(gateway.db, "tenants", timedelta(minutes=1), "disabled_at", id=tenant)


async def test_nothing_of_an_erased_tenant_stays_and_nobody_else_loses_a_row(
    gateway: Any, erasing: Any, postgres_db: Database, nats_server: NatsServer, tmp_path: Path
) -> None:
    """The first of two orchestrators is a process, which is killed while it erases."""
    first = orchestrator_process(
        Stack(postgres_db, nats_server, tmp_path), artifacts_url=(tmp_path / "artifacts").as_uri()
    )
    await gateway.deploy()
    run = (await gateway.start({"name": "x"})).json()["id"]
    isolation = Isolation("erasures", gateway.lifecycle.metrics)
    async with gateway.client(await gateway.key("victim")) as client:
        await known(gateway, client)
        await plant(gateway, client, tmp_path)
    assert len(await owned(gateway.db, "victim")) > 20
    await asked(gateway, "victim")
    first.start()
    try:
        await gateway.until(lambda: begun(gateway))
    finally:
        first.kill()
    assert (await gateway.http.get("/v1/tenants/victim")).json()["status"] == "erasing"
    others, second = await owned(gateway.db, "default"), erasing()
    while await second.round(isolation):
        pass
    seen = (await gateway.http.get("/v1/tenants/victim")).json()
    assert (seen["status"], seen["erasure"]["reason"], seen["keys"]) == ("erased", "they asked", 0)
    assert seen["erasure"]["requested_by"].startswith("key:")
    assert set(await owned(gateway.db, "victim")) == KEPT
    store = ArtifactStore.open((tmp_path / "artifacts").as_uri())
    assert [name async for name in store.names("victim")] == []
    assert await owned(gateway.db, "default") == others
    assert (await gateway.http.get(f"/v1/runs/{run}")).status_code == 200
    taken = await gateway.http.post("/v1/tenants", json={"id": "victim"})
    assert (taken.status_code, taken.json()["code"]) == (409, "tenant_exists")


async def begun(gateway: Any) -> bool:
    seen = await gateway.http.get("/v1/tenants/victim")
    return seen.status_code == 200 and seen.json()["erasure"]["gone"] > 3


async def test_erasing_is_asked_for_twice_and_never_taken_back(gateway: Any) -> None:
    assert (await gateway.http.post("/v1/tenants", json={"id": "acme"})).status_code == 201
    body = {"tenant": "acme", **ASKED}
    early = await gateway.http.post("/v1/tenants/acme/erase", json=body)
    assert (early.status_code, early.json()["code"]) == (409, "tenant_not_suspended")
    own = await gateway.http.post("/v1/tenants/default/erase", json={"tenant": "default", **ASKED})
    assert (own.status_code, own.json()["code"]) == (409, "tenant_of_key")
    await asked(gateway, "acme")
    other = await gateway.http.post("/v1/tenants/acme/erase", json={**body, "tenant": "other"})
    assert (other.status_code, other.json()["code"]) == (400, "invalid_body")
    assert (await gateway.http.post("/v1/tenants/acme/erase", json=body)).status_code == 202
    rows = await gateway.db.fetch("select action from visapi.audit where tenant = 'acme' order by seq desc")
    assert [row["action"] for row in rows][:2] == ["tenant.erase", "tenant.disable"], "asked twice, told once"
    for method, verb in (("POST", "resume"), ("GET", "export")):
        refused = await gateway.http.request(method, f"/v1/tenants/acme/{verb}")
        assert (refused.status_code, refused.json()["code"]) == (409, "tenant_erased"), verb


async def test_a_tenant_that_cannot_be_erased_keeps_no_other_waiting(
    gateway: Any, erasing: Any, pool: Pool
) -> None:
    for tenant in ("broken", "whole"):
        assert (await gateway.http.post("/v1/tenants", json={"id": tenant})).status_code == 201
        await asked(gateway, tenant)
    await overwrite(gateway.db, "tenant_erasures", {"tenant": "broken"}, step="no such table")
    process, isolation = erasing(), Isolation("erasures", gateway.lifecycle.metrics)
    while await process.round(isolation):
        pass
    seen = {
        tenant: (await gateway.http.get(f"/v1/tenants/{tenant}")).json() for tenant in ("broken", "whole")
    }
    assert [each["status"] for each in seen.values()] == ["erasing", "erased"]
    assert "no such table" in seen["broken"]["erasure"]["failure"]
    pieces = {
        outcome: gateway.lifecycle.metrics.registry.get_sample_value(
            "visapi_tenant_erasure_pieces_total", {"outcome": outcome}
        )
        for outcome in ("done", "failed")
    }
    assert pieces["failed"] == 1
    assert pieces["done"] > 20
    level = await PostgresLevels(pool).erasures()
    assert (level.waiting, 0 <= level.oldest_s < 600) == (1, True)


async def test_a_task_that_writes_while_a_tenant_is_erased_leaves_nothing(
    gateway: Any, erasing: Any, pool: Pool
) -> None:
    """A function that is announced late stands for all that a task under way may write within the hour."""
    assert (await gateway.http.post("/v1/tenants", json={"id": "late"})).status_code == 201
    await asked(gateway, "late")
    process, isolation = erasing(tasks_end_s=TASKS_END_S), Isolation("erasures", gateway.lifecycle.metrics)

    async def passes() -> str:
        while await process.round(isolation):
            pass
        return (await gateway.http.get("/v1/tenants/late")).json()["status"]

    assert (await passes(), set(await owned(gateway.db, "late"))) == ("erasing", KEPT)
    await PostgresUpkeep(pool).register("late", [FunctionSpec("late.printed")])
    assert "functions" in await owned(gateway.db, "late")
    assert await passes() == "erasing", "a pass that found nothing is followed by the next a minute later"
    await move_back(gateway.db, "tenant_erasures", timedelta(minutes=2), "next_at", tenant="late")
    assert (await passes(), set(await owned(gateway.db, "late"))) == ("erasing", KEPT)
    await move_back(
        gateway.db, "tenant_erasures", timedelta(hours=1), "next_at", "requested_at", tenant="late"
    )
    assert await passes() == "erased"


async def test_a_tenant_that_is_being_erased_is_no_tenant_to_workers_and_producers(
    gateway: Any, pool: Pool
) -> None:
    for tenant in ("leaving", "staying"):
        assert (await gateway.http.post("/v1/tenants", json={"id": tenant})).status_code == 201
    upkeep, events = PostgresUpkeep(pool), PostgresEvents(pool, RandomIds())
    assert await upkeep.is_tenant("leaving")
    await asked(gateway, "leaving")
    assert [await upkeep.is_tenant(name) for name in ("leaving", "staying", "nobody")] == [False, True, False]
    assert await events.erased(["leaving", "staying", "nobody"]) == {"leaving"}


async def test_tenants_that_are_erased_take_turns_however_many_they_are(gateway: Any, pool: Pool) -> None:
    for tenant in ("first", "second", "third"):
        assert (await gateway.http.post("/v1/tenants", json={"id": tenant})).status_code == 201
        await asked(gateway, tenant)
    rows, turns = PostgresErasures(pool), []
    for _ in range(4):
        (erasure,) = await rows.due(1)
        await rows.go_on(erasure, Piece(1, more=True))
        turns.append(erasure.tenant)
    assert turns == ["first", "second", "third", "first"]
