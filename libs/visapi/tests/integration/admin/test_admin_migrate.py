"""`visapi admin migrate`: its steps, its check, its lock, and what it does to others meanwhile."""

import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import asyncpg
import pytest

from kit.managed_postgres import PASSWORDS, Cluster
from visapi_common.adapters.migrate import Migration, Step, apply_migrations, packaged, schema_state
from visapi_common.core.errors import PermanentFault

BEHIND = 3


def test_a_schema_without_its_roles_is_not_begun(cluster: Cluster):
    refused = cluster.command("migrate", visapi_owner_url=cluster.master)
    assert refused.returncode == 1
    assert "make the roles with `visapi admin roles`" in refused.stderr
    assert cluster.command("migrate", "--check", visapi_owner_url=cluster.master).returncode == BEHIND


def test_several_who_migrate_at_once_do_the_work_once(cluster: Cluster):
    assert cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    environ = {"PATH": os.environ["PATH"], "VISAPI_OWNER_URL": cluster.master}
    command = [sys.executable, "-m", "visapi", "admin", "migrate"]
    racing = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) for _ in range(3)]
    said = [process.communicate(timeout=60)[1] for process in racing]
    assert [process.returncode for process in racing] == [0, 0, 0], said
    assert sum("applied 0001_baseline.sql" in text for text in said) == 1


async def test_a_migration_that_contracts_waits_for_its_step(cluster: Cluster):
    assert cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    before = packaged()
    assert await apply_migrations(cluster.master, Step.EXPAND, migrations=before)
    after = [
        *before,
        Migration("9001_more.sql", "alter table tenants add column note text"),
        Migration("9001_less.contract.sql", "alter table tenants drop column note"),
        Migration("9002_more.sql", "alter table tenants add column remark text"),
    ]
    assert await apply_migrations(cluster.master, Step.EXPAND, migrations=after) == [
        "9001_more.sql",
        "9002_more.sql",
    ]
    state = await schema_state(cluster.master, migrations=after)
    assert (state.expand, state.contract) == ([], ["9001_less.contract.sql"])
    assert await apply_migrations(cluster.master, Step.CONTRACT, migrations=after) == [
        "9001_less.contract.sql"
    ]
    assert await apply_migrations(cluster.master, Step.ALL, migrations=after) == []


async def test_an_empty_database_gets_everything_by_its_first_step(cluster: Cluster):
    assert cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    everything = [
        *packaged(),
        Migration("9001_less.contract.sql", "alter table tenants drop column created_by"),
    ]
    assert await apply_migrations(cluster.master, Step.EXPAND, migrations=everything) == [
        each.name for each in everything
    ]


async def test_the_release_before_leaves_the_grants_of_a_later_one_alone(cluster: Cluster):
    assert cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    later = [
        *packaged(),
        Migration(
            "9001_more.sql", "create table novelty (id int); grant select on novelty to visapi_gateway"
        ),
    ]
    await apply_migrations(cluster.master, migrations=later)
    owner = await asyncpg.connect(cluster.master)
    await owner.execute("grant select on visapi.novelty to visapi_gateway")

    rolled_back = cluster.command("migrate", visapi_owner_url=cluster.master)

    assert rolled_back.returncode == 0, rolled_back.stderr
    assert "a later release was here (9001_more.sql)" in rolled_back.stderr
    assert await owner.fetchval("select has_table_privilege('visapi_gateway', 'visapi.novelty', 'select')")
    await owner.close()


async def test_a_migration_that_fails_leaves_nothing_and_may_be_tried_again(cluster: Cluster):
    assert cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    broken = Migration("9001_more.sql", "alter table tenants add column note text; select 1 / 0")
    with pytest.raises(PermanentFault, match="division by zero"):
        await apply_migrations(cluster.master, migrations=[*packaged(), broken])
    assert (await schema_state(cluster.master, migrations=[*packaged(), broken])).expand == ["9001_more.sql"]
    mended = Migration("9001_more.sql", "alter table tenants add column note text")
    assert await apply_migrations(cluster.master, migrations=[*packaged(), mended]) == ["9001_more.sql"]


async def test_a_migration_waits_shortly_and_again_for_a_table_in_use(cluster: Cluster):
    assert cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    await apply_migrations(cluster.master)
    user = await asyncpg.connect(cluster.master)
    reader = user.transaction()
    await reader.start()
    await user.fetch("select from visapi.tenants")
    watcher = await asyncpg.connect(cluster.superuser)
    changing = _changing(cluster)
    while not await watcher.fetchval(
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock')"
    ):
        assert changing.poll() is None, changing.communicate()
    while await watcher.fetchval(
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock')"
    ):
        assert changing.poll() is None, changing.communicate()
    # It gave way to whoever waits behind it, and is tried again.
    await reader.rollback()
    _, said = changing.communicate(timeout=60)
    assert changing.returncode == 0, said
    await user.close()
    await watcher.close()


def _changing(cluster: Cluster) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _MIGRATE_TENANTS, cluster.master]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


_MIGRATE_TENANTS = """
import asyncio, sys
from visapi.cli.main import app
from visapi_common.adapters.migrate import Migration, apply_migrations, packaged
more = Migration("9001_more.sql", "alter table tenants add column note text")
asyncio.run(apply_migrations(sys.argv[1], migrations=[*packaged(), more]))
"""


async def test_a_schema_that_is_up_to_date_is_not_locked_against_services(cluster: Cluster):
    assert cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    await apply_migrations(cluster.master)
    service = await asyncpg.connect(cluster.master, server_settings={"search_path": "visapi"})
    async with service.transaction():
        # A lock that only a change of the table would have to wait for.
        for row in await service.fetch("select relname from pg_class where relrowsecurity"):
            await service.execute(f"lock table {row['relname']} in access share mode")
        assert await apply_migrations(cluster.master) == []
    await service.close()


def test_an_edited_migration_is_refused_by_its_name_before_the_database_is_asked(
    cluster: Cluster, tmp_path: Path
):
    package = Path(str(resources.files("visapi_common")))
    edited = shutil.copytree(package, tmp_path / "visapi_common", ignore=shutil.ignore_patterns("*.pyc"))
    with (edited / "sql" / "migrations" / "0001_baseline.sql").open("a", encoding="utf-8") as file:
        file.write("-- edited\n")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "VISAPI_OWNER_URL": cluster.master}
    command = [sys.executable, "-m", "visapi", "admin", "migrate"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)
    assert done.returncode == 1
    assert "0001_baseline.sql was changed after its release" in " ".join(done.stderr.split())
