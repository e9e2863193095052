"""`visapi admin tenant` and `key`, straight in the database."""

import stat
from pathlib import Path

import asyncpg
import msgspec

from kit.managed_postgres import Cluster

USAGE = 2


def test_tenants_are_made_listed_disabled_and_enabled(migrated: Cluster):
    settings = {"visapi_owner_url": migrated.master}
    assert [migrated.command("tenant", "create", "acme", **settings).stderr for _ in range(2)] == [
        "✓ acme was made\n",
        "✓ acme is there\n",
    ]
    assert migrated.command("tenant", "disable", "acme", **settings).returncode == 0
    rows = msgspec.json.decode(migrated.command("tenant", "list", "--json", **settings).stdout)
    assert {row["id"]: row["disabled_at"] is not None for row in rows} == {"acme": True, "default": False}
    assert "acme" in migrated.command("tenant", "list", **settings).stdout
    assert migrated.command("tenant", "enable", "acme", **settings).returncode == 0
    missing = migrated.command("tenant", "disable", "nobody", **settings)
    assert (missing.returncode, missing.stderr) == (1, "error: there is no tenant nobody\n")
    wrong = migrated.command("tenant", "create", "Acme Inc", **settings)
    assert (wrong.returncode, "not a tenant id: 'Acme Inc'" in wrong.stderr) == (USAGE, True)


async def test_a_key_is_made_once_however_often_the_bootstrap_runs(migrated: Cluster, tmp_path: Path):
    file = tmp_path / "api-key"
    settings = {"visapi_owner_url": migrated.master, "visapi_key_pepper": "aa" * 32}
    made = [migrated.command("key", "create", "first", "--file", str(file), **settings) for _ in range(2)]
    assert [each.returncode for each in made] == [0, 0]
    key = file.read_text().strip()
    assert key.startswith("visapi_admin_")
    assert not [each for each in made if key in each.stdout + each.stderr]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    owner = await asyncpg.connect(migrated.master)
    assert await owner.fetchval("select count(*) from visapi.api_keys") == 1

    # Interrupted between keeping and storing: the kept key is stored by the next try.
    await owner.execute("delete from visapi.api_keys")
    assert migrated.command("key", "create", "first", "--file", str(file), **settings).returncode == 0
    assert (file.read_text().strip(), await owner.fetchval("select count(*) from visapi.api_keys")) == (
        key,
        1,
    )

    await owner.execute("update visapi.api_keys set disabled_at = now()")
    assert migrated.command("key", "create", "first", "--file", str(file), **settings).returncode == 0
    assert file.read_text().strip() != key
    await owner.close()


def test_a_key_is_printed_once_and_belongs_to_a_tenant_that_is_there(migrated: Cluster):
    settings = {"visapi_owner_url": migrated.master, "visapi_key_pepper": "aa" * 32}
    printed = migrated.command("key", "create", "mine", "--kind", "live", **settings)
    assert printed.stdout.startswith("visapi_live_")
    nobody = migrated.command("key", "create", "mine", "--tenant", "acme", **settings)
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "make it with `visapi admin tenant create acme`" in nobody.stderr
    unknown = migrated.command("key", "create", "mine", "--kind", "live", "--scope", "runs:reed", **settings)
    assert (unknown.returncode, "unknown scopes runs:reed" in unknown.stderr) == (USAGE, True)
    short = migrated.command(
        "key", "create", "mine", visapi_owner_url=migrated.master, visapi_key_pepper="aa"
    )
    assert (short.returncode, "VISAPI_KEY_PEPPER is wrong" in short.stderr) == (USAGE, True)


def test_a_file_that_holds_something_else_is_not_overwritten(migrated: Cluster, tmp_path: Path):
    file = tmp_path / "notes"
    file.write_text("remember the milk")
    settings = {"visapi_owner_url": migrated.master, "visapi_key_pepper": "aa" * 32}
    refused = migrated.command("key", "create", "mine", "--file", str(file), **settings)
    assert (refused.returncode, "something other than an API key" in refused.stderr) == (USAGE, True)
    assert file.read_text() == "remember the milk"
