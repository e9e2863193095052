"""Who may touch which table (ARCHITECTURE, Trust boundaries), asked of a real, migrated PostgreSQL."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from kit.ledger_rows import overwrite, plant
from kit.servers import Database
from kit.tenants import add_tenants

GATEWAY, ORCHESTRATOR, NOTIFIER = "visapi_gateway", "visapi_orchestrator", "visapi_notifier"

# r: select, i: insert, u: update, d: delete; c: update of some columns only.
MATRIX = {
    "api_keys": {GATEWAY: "riu", ORCHESTRATOR: "d", NOTIFIER: ""},
    "audit": {GATEWAY: "ri", ORCHESTRATOR: "", NOTIFIER: ""},
    "collections": {GATEWAY: "", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "dead_letter_replays": {GATEWAY: "ric", ORCHESTRATOR: "rud", NOTIFIER: ""},
    "dead_letters": {GATEWAY: "rc", ORCHESTRATOR: "riud", NOTIFIER: "i"},
    "deliveries": {GATEWAY: "", ORCHESTRATOR: "d", NOTIFIER: "riud"},
    "account_versions": {GATEWAY: "id", ORCHESTRATOR: "d", NOTIFIER: "r"},
    "accounts": {GATEWAY: "ridc", ORCHESTRATOR: "d", NOTIFIER: "r"},
    "endpoint_attempts": {GATEWAY: "r", ORCHESTRATOR: "rd", NOTIFIER: "i"},
    "endpoint_messages": {GATEWAY: "ric", ORCHESTRATOR: "ridc", NOTIFIER: "rc"},
    "endpoint_news": {GATEWAY: "ri", ORCHESTRATOR: "ridc", NOTIFIER: "r"},
    "endpoint_relay": {GATEWAY: "", ORCHESTRATOR: "rc", NOTIFIER: ""},
    "endpoint_secrets": {GATEWAY: "idc", ORCHESTRATOR: "d", NOTIFIER: "r"},
    "endpoints": {GATEWAY: "ric", ORCHESTRATOR: "rdc", NOTIFIER: "rc"},
    "events_in": {GATEWAY: "ri", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "families": {GATEWAY: "ric", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "flow_slots": {GATEWAY: "r", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "quota_leases": {GATEWAY: "riud", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "rate_leases": {GATEWAY: "riud", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "rates": {GATEWAY: "riud", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "rate_reservations": {GATEWAY: "", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "flow_waiting": {GATEWAY: "r", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "functions": {GATEWAY: "r", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "history": {GATEWAY: "r", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "hook_bodies": {GATEWAY: "rid", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "hook_deliveries": {GATEWAY: "ridc", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "hook_refusals": {GATEWAY: "riu", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "hook_refused_requests": {GATEWAY: "rid", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "hook_secrets": {GATEWAY: "idc", ORCHESTRATOR: "d", NOTIFIER: ""},
    "hook_usage": {GATEWAY: "riu", ORCHESTRATOR: "rud", NOTIFIER: ""},
    "hooks": {GATEWAY: "ric", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "idempotency": {GATEWAY: "ri", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "inbox": {GATEWAY: "ri", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "lifecycle_relay": {GATEWAY: "", ORCHESTRATOR: "rc", NOTIFIER: ""},
    "open_runs": {GATEWAY: "r", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "programs": {GATEWAY: "ri", ORCHESTRATOR: "r", NOTIFIER: ""},
    "recorded_inputs": {GATEWAY: "", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "restores": {GATEWAY: "r", ORCHESTRATOR: "r", NOTIFIER: "r"},
    "retention_classes": {GATEWAY: "r", ORCHESTRATOR: "rc", NOTIFIER: ""},
    "retention_policies": {GATEWAY: "riud", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "run_attributes": {GATEWAY: "r", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "runs": {GATEWAY: "ri", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "runs_done": {GATEWAY: "r", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "subscriptions": {GATEWAY: "", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "approvals": {GATEWAY: "rc", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "schedule_fires": {GATEWAY: "ri", ORCHESTRATOR: "rid", NOTIFIER: ""},
    "schedule_listeners": {GATEWAY: "riud", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "schedules": {GATEWAY: "riud", ORCHESTRATOR: "rud", NOTIFIER: ""},
    "secrets": {GATEWAY: "idc", ORCHESTRATOR: "d", NOTIFIER: "r"},
    "started_effects": {GATEWAY: "", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "streams": {GATEWAY: "", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "template_versions": {GATEWAY: "ri", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "templates": {GATEWAY: "ric", ORCHESTRATOR: "rd", NOTIFIER: ""},
    "tasks": {GATEWAY: "", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "tenant_erasures": {GATEWAY: "ri", ORCHESTRATOR: "rc", NOTIFIER: ""},
    "tenants": {GATEWAY: "ric", ORCHESTRATOR: "r", NOTIFIER: ""},
    "timers": {GATEWAY: "", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "usage_days": {GATEWAY: "r", ORCHESTRATOR: "riud", NOTIFIER: ""},
    "usage_deltas": {GATEWAY: "ri", ORCHESTRATOR: "rid", NOTIFIER: "i"},
    "workflows": {GATEWAY: "ri", ORCHESTRATOR: "rd", NOTIFIER: ""},
}

UNSEEN_BY_GATEWAY = {
    "api_keys", "tenants", "tenant_erasures", "programs", "functions", "retention_classes", "open_runs", "rates", "rate_leases", "quota_leases",
    "restores",
}  # fmt: skip
"""Tables the gateway reads across tenants: keys are found before a tenant is known, programs are
shared by content, functions belong to workers, a retention class is a number of days, and the open runs of
all tenants are numbers, read together. The rates of all keys are known before a key comes, and one statement
leases for the keys of many tenants. A restore concerns the whole database."""

ARCHITECTURE = (Path(__file__).resolve().parents[2] / "ARCHITECTURE.md").read_text()

TABLES = """
select c.relname as name, c.relrowsecurity as secured, c.relforcerowsecurity as forced
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'visapi' and c.relkind in ('r', 'p') and not c.relispartition
"""
PRIVILEGES = """
select
    case when has_table_privilege($1, $2, 'select') then 'r' else '' end
    || case when has_table_privilege($1, $2, 'insert') then 'i' else '' end
    || case when has_table_privilege($1, $2, 'update') then 'u' else '' end
    || case when has_table_privilege($1, $2, 'delete') then 'd' else '' end
    || case when not has_table_privilege($1, $2, 'update') and has_any_column_privilege($1, $2, 'update')
        then 'c' else '' end
"""


@pytest.fixture
async def superuser(postgres_db: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_db.superuser)
    yield connection
    await connection.close()


async def ours(connection: asyncpg.Connection) -> dict[str, asyncpg.Record]:
    return {
        row["name"]: row
        for row in await connection.fetch(TABLES)
        if row["name"] not in {"migrations", "schema_migrations"}
    }


async def test_every_table_is_in_the_matrix(superuser: asyncpg.Connection):
    assert set(await ours(superuser)) == set(MATRIX)


@pytest.mark.parametrize("table", MATRIX)
async def test_each_role_has_exactly_its_rights(superuser: asyncpg.Connection, table: str):
    granted = {role: await superuser.fetchval(PRIVILEGES, role, f"visapi.{table}") for role in MATRIX[table]}
    assert granted == MATRIX[table]


async def test_no_service_role_bypasses_row_level_security(superuser: asyncpg.Connection):
    rows = await superuser.fetch(
        "select rolname from pg_roles where rolname like 'visapi\\_%' and (rolbypassrls or rolsuper)"
    )
    assert rows == []


async def test_every_tenant_table_the_gateway_reads_is_under_forced_row_level_security(
    superuser: asyncpg.Connection,
):
    tables = await ours(superuser)
    read = {name for name, rights in MATRIX.items() if rights[GATEWAY]} - UNSEEN_BY_GATEWAY
    assert {name for name in read if not (tables[name]["secured"] and tables[name]["forced"])} == set()


async def test_the_gateway_sees_only_the_tenants_of_its_transaction(
    postgres_db: Database, superuser: asyncpg.Connection
):
    used = {"key": "k", "run": uuid4(), "body_hash": b"hash"}
    await add_tenants(superuser, "other")
    for tenant in ("default", "other"):
        await plant(superuser, "idempotency", tenant=tenant, **used)
    gateway = await asyncpg.connect(postgres_db.gateway)
    try:
        await gateway.execute("set search_path to visapi")
        assert await gateway.fetch("select * from idempotency") == []
        async with gateway.transaction():
            await gateway.execute("select set_config('visapi.tenants', 'other', true)")
            assert [row["tenant"] for row in await gateway.fetch("select tenant from idempotency")] == [
                "other"
            ]
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await plant(gateway, "idempotency", tenant="default", **{**used, "key": "j"})
    finally:
        await gateway.close()


async def test_the_gateway_cannot_change_a_run(postgres_db: Database):
    gateway = await asyncpg.connect(postgres_db.gateway)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await overwrite(gateway, "runs", {}, status="completed")
    finally:
        await gateway.close()


async def test_who_retires_the_rows_of_each_table_is_written_down(superuser: asyncpg.Connection):
    """ARCHITECTURE, The ledger: a table that grows without anybody who retires its rows is a defect."""
    ledger = ARCHITECTURE.split("## The ledger", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|") for line in ledger.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row[1])]
    assert sorted(named) == sorted(await ours(superuser))
    assert all(row[3].strip() for row in rows)
