"""Released migrations stay as they are; a later one expands the schema, or waits for the step `contract`."""

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from kit.expansion import findings, schema_of, undone
from kit.servers import Database
from visapi_common.adapters.migrate import (
    BASELINE,
    RELEASED,
    Migration,
    check_released,
    packaged,
    released,
)
from visapi_common.core.errors import PermanentFault

FOLDER = Path(str(resources.files("visapi_common"))) / "sql" / "migrations"
NAME = re.compile(r"\d{4}_[a-z0-9_]+(\.contract|\.index)?\.sql")
_WITHIN_A_TRANSACTION = re.compile(r"create index concurrently")
REFUSED = {
    "drop table started_effects": "the table started_effects is dropped or renamed",
    "alter table tenants rename to clients": "the table tenants is dropped or renamed",
    "alter table tenants drop column disabled_at": "the column tenants.disabled_at is dropped or renamed",
    "alter table tenants rename column disabled_at to ended_at": "the column tenants.disabled_at is dropped",
    "alter table open_runs alter column tenant type varchar(80)": "the column open_runs.tenant is changed",
    "alter table api_keys alter column last_used_at set not null": "the column api_keys.last_used_at is changed",
    "alter table api_keys alter column created_at drop default": "the column api_keys.created_at is changed",
    "alter table api_keys add column note text not null": "the column api_keys.note has to be named by each",
    "alter table tenants add check (id <> 'x')": "the constraint tenants.tenants_id_check1 restricts",
    "alter table tasks add unique (run, path)": "restricts what may be written",
    "create unique index one on api_keys (name)": "the unique index api_keys.one restricts",
    "alter table api_keys drop constraint api_keys_kind_check": "the constraint api_keys.api_keys_kind_check is",
    "drop index api_keys_of_tenant": "the index api_keys.api_keys_of_tenant is dropped",
    "drop trigger audit_append_only on audit": "the trigger audit.audit_append_only is dropped",
    "create trigger t before insert on tenants execute function audit_is_append_only()": "the trigger tenants.t",
    "create policy none on tenants using (false)": "the policy tenants.none restricts",
    "alter table tenants enable row level security": "the table tenants is changed",
    "create or replace function audit_is_append_only() returns trigger language plpgsql as "
    "'begin return new; end'": "the function audit_is_append_only() is changed",
    "revoke insert on runs from visapi_gateway": "the right runs.visapi_gateway insert is dropped",
    "revoke update (days) on retention_classes from visapi_orchestrator": "visapi_orchestrator update (days)",
    "truncate open_runs": "the storage open_runs is written anew",
    "create index tenants_by_age on tenants (created_at)": "the index tenants.tenants_by_age is built while",
    "create index done_by_end on runs_done (ended_at)": "create index concurrently done_by_end on runs_done",
    "update tenants set disabled_at = now()": "the rows tenants has rows that are deleted or changed",
    "alter table runs add column a int; alter table tasks add column a int": "tables runs, tasks are locked by",
    "do $$ begin execute 'alter table ten' || 'ants drop column disabled_at'; end $$": "tenants.disabled_at",
}
ALLOWED = [
    "create table novelties (id int primary key check (id > 0))",
    "alter table tenants add column note text",
    "alter table tenants add column note text not null default ''",
    "create table more (tenant text not null references tenants (id), unique (tenant))",
    "create function doubled(x int) returns int language sql as 'select 2 * x'",
    "insert into retention_classes (name, days, width) values ('short', 1, 1)",
    "grant select on deliveries to visapi_gateway",
]


REVIEWED = {
    "0003_audit_retention.sql: the function audit_is_append_only() is changed": (
        "rows that the chain records as cut may go; the release before deletes none and sees no difference"
    ),
    "0006_key_of_secrets.sql: the policy secrets.owner_reseals restricts": (
        "it lets the owner see rows that nothing let it see before; services have policies of their own"
    ),
    "0007_count_of_runs.sql: the policy runs.owner_counts restricts": "likewise, for reading alone",
    **{
        f"{number:04}_limited_keys_of_{table}.sql: the policy {table}.limited_keys restricts": (
            "it hides rows from transactions that name workflows, which the release before never does"
        )
        for number, table in enumerate(("runs", "runs_done", "workflows", "schedules", "approvals"), 12)
    },
    "0026_dead_letters.sql: the constraint dead_letters.dead_letters_kind_check is": (
        "it allows one kind more, which the release before neither writes nor needs to know"
    ),
}
"""Findings that people have looked at, and why the release before can live with what was found."""


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:50])
async def test_what_the_release_before_cannot_live_with_does_not_expand(postgres_db: Database, text: str):
    found = await judged(postgres_db, [Migration("9001_more.sql", text)])
    assert any(REFUSED[text] in finding for finding in found), found
    assert all("9001_more.sql: " in finding for finding in found)
    advice = ("9001_<name>.contract.sql", "9001_<name>.index.sql", "migration of its own")
    assert all(any(part in one for part in advice) for one in found)


@pytest.mark.parametrize("text", ALLOWED, ids=lambda text: text[:50])
async def test_what_the_release_before_need_not_know_expands(postgres_db: Database, text: str):
    assert await judged(postgres_db, [Migration("9001_more.sql", text)]) == []


async def test_no_migration_that_contracts_keeps_writers_waiting_for_an_index(postgres_db: Database):
    text = "drop index api_keys_of_tenant; create index keys_by_age on api_keys (created_at)"
    (finding,) = await judged(postgres_db, [Migration("9001_less.contract.sql", text)])
    assert finding.startswith("9001_less.contract.sql: the index api_keys.keys_by_age is built while")


async def test_an_index_that_is_built_concurrently_expands(postgres_db: Database):
    text = "-- For the list of keys.\ncreate index concurrently keys_by_age on api_keys (created_at);"
    assert await judged(postgres_db, [Migration("9001_more.index.sql", text)]) == []


@pytest.mark.parametrize(
    "text",
    [
        "create index keys_by_age on api_keys (created_at)",
        "create unique index concurrently keys_by_age on api_keys (created_at)",
        "create index concurrently if not exists keys_by_age on api_keys (created_at)",
        "create index concurrently keys_by_age on api_keys (created_at); drop table api_keys",
    ],
)
def test_a_migration_of_indexes_holds_nothing_else(text: str):
    with pytest.raises(
        PermanentFault, match=r"9001_more\.index\.sql holds `.*only `create index concurrently"
    ):
        assert Migration("9001_more.index.sql", text).builds


async def test_all_migrations_after_the_baseline_expand_or_wait_for_their_step(postgres_db: Database):
    later = [each for each in packaged() if each.name != BASELINE]
    # The database of a test has them already: they are judged where only the baseline is.
    found = await judged(postgres_db, later, anew=True)
    assert [one for one in found if not one.startswith(tuple(REVIEWED))] == []
    assert [known for known in REVIEWED if not any(one.startswith(known) for one in found)] == []


def test_migrations_are_numbered_and_named():
    wrong = [each.name for each in packaged() if not NAME.fullmatch(each.name)]
    assert wrong == [], f"migrations are named 0002_<name>.sql or 0002_<name>.contract.sql, not {wrong}"


def test_a_released_migration_that_is_edited_or_missing_is_refused_by_its_name():
    digests = released((FOLDER / RELEASED).read_text(encoding="utf-8"))
    assert BASELINE in digests
    edited = [msgspec.structs.replace(each, text=each.text + " ") for each in packaged()]
    with pytest.raises(
        PermanentFault, match=r"0001_baseline\.sql was changed after its release.*new migration"
    ):
        check_released(edited, digests)
    with pytest.raises(PermanentFault, match=r"0001_baseline\.sql was released and is missing"):
        check_released(edited[1:], digests)


async def judged(database: Database, migrations: Sequence[Migration], *, anew: bool = False) -> list[str]:
    """The findings about migrations, each applied after the one before it; nothing stays."""
    found: list[str] = []
    async with undone(database.superuser) as connection:
        if anew:
            await connection.execute("drop schema visapi cascade; create schema visapi")
            await connection.execute(next(each.text for each in packaged() if each.name == BASELINE))
        for each in migrations:
            before = await schema_of(connection)
            await connection.execute(_WITHIN_A_TRANSACTION.sub("create index", each.text))
            found += findings(each, before, await schema_of(connection))
    return found
