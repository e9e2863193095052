"""Many requests in one statement: what one of them provokes is its own, on real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from kit.servers import Database, NatsServer
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.payloads import NULL
from visapi_common.core.errors import ContentFault
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.kernel.messages import Messages
from visapi_gateway.runs.starting.commits import Accepted, NewRun, RunCommits
from visapi_gateway.runs.starting.store import PgRunLedger


@pytest.fixture
async def pool(postgres_db: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(postgres_db.gateway, size=4, application="test")
    yield opened
    opened.terminate()


@pytest.fixture
async def run_commits(pool: Pool, shared_nats: NatsServer) -> AsyncIterator[RunCommits]:
    bus = await Bus.connect(shared_nats.url(), "test")
    lanes = RunCommits(PgRunLedger(pool), Messages(bus).trigger, open_metrics(), lanes=1)
    serving = asyncio.create_task(lanes.run())
    yield lanes
    lanes.close()
    async with asyncio.timeout(10):
        await serving
    await bus.close()


async def new_run(gateway: Any) -> NewRun:
    program = await gateway.db.fetchval("select program from visapi.workflows")
    return NewRun(
        id=RandomIds().uuid7(),
        tenant="default",
        namespace="demo",
        name="hello",
        version="1.0.0",
        program=program,
        input=NULL,
        trace="",
        started_by="key:x",
        created_at=datetime.now(UTC),
    )


class NoPayload(msgspec.Struct):
    """Can be stored, and not be announced."""

    size: int = 1


def audit(details: Any) -> AuditEntry:
    return AuditEntry("default", "key:x", AuditAction.RUN_RERUN, "run:x", None, "request", details)


POISONS: dict[str, dict[str, Any]] = {
    "a version that PostgreSQL cannot store": {"version": "1\0"},
    "a trace that is no UTF-8": {"trace": "\ud800"},
    "a time that is missing": {"created_at": None},
    "an id of another type": {"program": 7},
    "an audit that cannot be encoded": {"audit": audit({"x": object()})},
    "a tenant that no policy can name": {"tenant": "a,b", "audit": audit({})},
}


@pytest.mark.parametrize("poison", POISONS)
async def test_a_run_that_cannot_be_stored_fails_alone(
    gateway: Any, run_commits: RunCommits, poison: str
) -> None:
    await gateway.deploy()
    run = await new_run(gateway)
    runs = [replace(run, id=RandomIds().uuid7()) for _ in range(20)]
    runs[7] = replace(runs[7], **POISONS[poison])
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*map(run_commits.accept, runs), return_exceptions=True)
    assert isinstance(answers.pop(7), ContentFault)
    assert answers == [Accepted()] * 19
    assert await gateway.db.fetchval("select count(*) from visapi.runs") == 19


async def test_a_run_that_cannot_be_announced_is_accepted_and_so_are_its_neighbours(
    gateway: Any, run_commits: RunCommits
) -> None:
    await gateway.deploy()
    run = await new_run(gateway)
    runs = [replace(run, id=RandomIds().uuid7()) for _ in range(3)]
    runs[1] = replace(runs[1], input=NoPayload())
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*map(run_commits.accept, runs), return_exceptions=True)
    assert answers == [Accepted()] * 3


async def test_what_the_operator_must_mend_is_a_503_until_then(gateway: Any) -> None:
    await gateway.deploy()
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "paid"}
    structured = {"Content-Type": "application/cloudevents+json"}

    async def asked() -> list[Any]:
        return [
            await gateway.start({"name": "Ada"}),
            await gateway.http.post("/v1/events", json=event, headers=structured),
        ]

    await gateway.db.execute("revoke insert on visapi.runs, visapi.events_in from visapi_gateway")
    for answer in await asked():
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
        assert int(answer.headers["retry-after"]) > 0
    await gateway.db.execute("grant insert on visapi.runs, visapi.events_in to visapi_gateway")
    assert [answer.status_code for answer in await asked()] == [202, 202]


async def used(gateway: Any, key: str) -> bool:
    """Whether the key's last use is stored; making another key has the gateway store uses."""
    await gateway.http.post("/v1/keys", json={"name": "another"})
    query = "select last_used_at is not null from visapi.api_keys where id = $1"
    return await gateway.db.fetchval(query, key)


async def test_a_key_whose_use_cannot_be_stored_costs_itself_only(gateway: Any) -> None:
    made = [(await gateway.http.post("/v1/keys", json={"name": str(n)})).json() for n in range(3)]
    await gateway.db.execute(
        "alter table visapi.api_keys add constraint refuses"
        f" check (id <> '{made[1]['id']}' or last_used_at is null)"
    )
    clients = [gateway.client(one["key"]) for one in made]

    async def all_asked() -> bool:
        return [(await client.get("/v1/runs")).status_code for client in clients] == [200] * 3

    await gateway.until(all_asked)
    for one in (made[0], made[2]):
        await gateway.until(lambda one=one: used(gateway, one["id"]))
    assert not await used(gateway, made[1]["id"])


async def test_a_use_that_was_not_stored_for_a_missing_grant_is_stored_after_it(gateway: Any) -> None:
    made = (await gateway.http.post("/v1/keys", json={"name": "one"})).json()
    await gateway.db.execute("revoke update on visapi.api_keys from visapi_gateway")
    client = gateway.client(made["key"])

    async def asked() -> bool:
        return (await client.get("/v1/runs")).status_code == 200

    await gateway.until(asked)
    assert not await used(gateway, made["id"])
    await gateway.db.execute("grant update on visapi.api_keys to visapi_gateway")
    await gateway.until(lambda: used(gateway, made["id"]))
