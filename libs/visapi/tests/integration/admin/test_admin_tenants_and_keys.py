"""`visapi admin tenant` and `key`, straight in the database."""

import getpass
import os
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest

from kit.ledger_rows import lose, overwrite
from kit.managed_postgres import Cluster
from visapi.admin.operators import actor
from visapi.stack.data_directory import DataDirectory
from visapi.stack.first_start import ensure_first_key
from visapi_common.contracts.audit import AuditRecord
from visapi_common.core.api_keys import parse
from visapi_common.core.audit_chain import ChainCheck
from visapi_common.core.keyrings import Keyring

USAGE = 2
PEPPER = Keyring.of(b"p" * 32)


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


async def test_an_operator_sets_what_a_tenant_may_take(migrated: Cluster):
    settings = {"visapi_owner_url": migrated.master, "visapi_operator": "ada@bastion"}
    assert migrated.command("tenant", "create", "acme", **settings).returncode == 0

    def rate(*arguments: str) -> dict[str, float | None]:
        done = migrated.command("tenant", "rate", "acme", "--json", *arguments, **settings)
        assert done.returncode == 0, done.stderr
        return msgspec.json.decode(done.stdout)

    none = dict.fromkeys(("per_s", "burst", "runs_per_day", "runs_per_month", "open_runs_max"))
    assert rate() == none
    assert rate("--per-s", "50", "--runs-per-day", "0", "--reason", "their plan") == {
        **none,
        "per_s": 50.0,
        "runs_per_day": 0,
    }
    assert rate("--open-runs", "9") == {**none, "per_s": 50.0, "runs_per_day": 0, "open_runs_max": 9}
    assert rate("--reset") == rate() == none
    assert "default" in migrated.command("tenant", "rate", "acme", **settings).stdout
    rows = await audit_of(migrated, "acme")
    assert [(row.action, row.reason, row.details) for row in rows[:3]] == [
        ("rate.reset", None, {}),
        ("rate.set", None, {"open_runs_max": 9}),
        ("rate.set", "their plan", {"per_s": 50.0, "runs_per_day": 0}),
    ]
    for arguments, code, said in (
        (("nobody",), 1, "there is no tenant nobody"),
        (("acme", "--per-s", "0"), USAGE, "--per-s"),
        (("acme", "--reset", "--burst", "3"), USAGE, "--reset goes with no other limit"),
    ):
        wrong = migrated.command("tenant", "rate", *arguments, **settings)
        assert (wrong.returncode, said in wrong.stderr) == (code, True), wrong.stderr


async def test_what_an_operator_does_to_a_tenant_stands_in_its_audit(migrated: Cluster):
    settings = {
        "visapi_owner_url": migrated.master,
        "visapi_key_pepper": "aa" * 32,
        "visapi_operator": "ada@bastion",
    }
    for command in (
        ("tenant", "create", "acme"),
        ("tenant", "create", "acme"),
        ("key", "create", "shop", "--tenant", "acme", "--kind", "live", "--scope", "runs:read"),
        ("tenant", "disable", "acme", "--reason", "the bill"),
        ("tenant", "disable", "acme"),
        ("tenant", "enable", "acme"),
    ):
        assert migrated.command(*command, **settings).returncode == 0
    rows = await audit_of(migrated, "acme")
    assert [(row.action, row.actor, row.reason) for row in rows] == [
        ("tenant.enable", "operator:ada@bastion", None),
        ("tenant.disable", "operator:ada@bastion", "the bill"),
        ("key.create", "operator:ada@bastion", None),
        ("tenant.create", "operator:ada@bastion", None),
    ]
    assert rows[1].target == "tenant:acme"
    assert rows[2].details == {"kind": "live", "name": "shop", "scopes": ["runs:read"]}
    check = ChainCheck()
    for row in rows:
        check.take(row)
    assert check.end() is None


async def audit_of(cluster: Cluster, tenant: str) -> list[AuditRecord]:
    """Newest first, as the owner sees them; the owner may add rows, and change none."""
    owner = await asyncpg.connect(cluster.master, server_settings={"search_path": "visapi"})
    query = (
        "select tenant, seq, at as time, actor, action, target, reason, request_id, details,"
        " encode(previous, 'hex') as previous, encode(hash, 'hex') as hash"
        " from audit where tenant = $1 order by seq desc"
    )
    rows = [dict(row) for row in await owner.fetch(query, tenant)]
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await owner.execute("truncate audit")
    await owner.close()
    return [AuditRecord(**{**row, "details": msgspec.json.decode(row["details"])}) for row in rows]


def test_an_operator_without_a_name_is_account_and_machine(migrated: Cluster):
    settings = {"visapi_owner_url": migrated.master}
    assert actor(None).startswith(f"operator:{getpass.getuser()}@")
    assert migrated.command("tenant", "create", "acme", **settings).returncode == 0
    wrong = migrated.command("tenant", "create", "other", visapi_operator="a\nb", **settings)
    assert (wrong.returncode, "VISAPI_OPERATOR is wrong" in wrong.stderr) == (USAGE, True)
    rows = msgspec.json.decode(migrated.command("tenant", "list", "--json", **settings).stdout)
    assert "other" not in {row["id"] for row in rows}


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
    await lose(owner, "api_keys")
    assert migrated.command("key", "create", "first", "--file", str(file), **settings).returncode == 0
    assert (file.read_text().strip(), await owner.fetchval("select count(*) from visapi.api_keys")) == (
        key,
        1,
    )

    await overwrite(owner, "api_keys", {}, disabled_at=datetime.now(UTC))
    assert migrated.command("key", "create", "first", "--file", str(file), **settings).returncode == 0
    assert file.read_text().strip() != key
    await owner.close()


async def test_a_key_whose_row_was_swept_does_not_become_valid_again(migrated: Cluster, tmp_path: Path):
    file = tmp_path / "api-key"
    settings = {"visapi_owner_url": migrated.master, "visapi_key_pepper": "aa" * 32}
    create = ("key", "create", "first", "--file", str(file))
    assert migrated.command(*create, **settings).returncode == 0
    key = file.read_text()
    owner = await asyncpg.connect(migrated.master)
    await lose(owner, "api_keys")
    two_hours_ago = time.time() - 7200
    os.utime(file, (two_hours_ago, two_hours_ago))

    refused = migrated.command(*create, **settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "which the database does not know" in refused.stderr
    assert "remove this one to make a new key" in refused.stderr
    assert (file.read_text(), await owner.fetchval("select count(*) from visapi.api_keys")) == (key, 0)

    file.unlink()
    assert migrated.command(*create, **settings).returncode == 0
    assert (file.read_text() != key, await owner.fetchval("select count(*) from visapi.api_keys")) == (
        True,
        1,
    )
    await owner.close()


async def test_a_file_with_the_key_of_another_tenant_kind_or_scopes_is_refused(
    migrated: Cluster, tmp_path: Path
):
    file = tmp_path / "api-key"
    settings = {"visapi_owner_url": migrated.master, "visapi_key_pepper": "aa" * 32}
    assert migrated.command("tenant", "create", "acme", **settings).returncode == 0
    create = ("key", "create", "shop", "--file", str(file))
    live = ("--kind", "live", "--scope", "runs:read")
    assert migrated.command(*create, *live, **settings).returncode == 0
    key = file.read_text()
    for asked, line in (
        ((*live, "--tenant", "acme"), "holds a key of tenant default, not acme"),
        (("--kind", "test", "--scope", "runs:read"), "holds a key of kind live, not test"),
        (
            ("--kind", "live", "--scope", "runs:write"),
            "holds a key with scopes runs:read, not runs:write",
        ),
    ):
        refused = migrated.command(*create, *asked, **settings)
        assert (refused.returncode, line in " ".join(refused.stderr.split())) == (1, True), refused.stderr
    assert migrated.command(*create, *live, **settings).returncode == 0
    assert file.read_text() == key
    owner = await asyncpg.connect(migrated.master)
    assert await owner.fetchval("select count(*) from visapi.api_keys") == 1

    await lose(owner, "api_keys")
    refused = migrated.command(*create, "--kind", "test", **settings)
    assert (refused.returncode, "holds a key of kind live, not test" in refused.stderr) == (1, True)
    await owner.close()


async def test_an_embedded_stack_whose_database_was_removed_gets_a_new_first_key(
    migrated: Cluster, tmp_path: Path
):
    data = DataDirectory(tmp_path)
    first = await ensure_first_key(data, migrated.master, PEPPER)
    assert await ensure_first_key(data, migrated.master, PEPPER) == first
    owner = await asyncpg.connect(migrated.master)
    await lose(owner, "api_keys")
    assert await ensure_first_key(data, migrated.master, PEPPER) == first, "an interrupted start goes on"

    await lose(owner, "api_keys")
    two_hours_ago = time.time() - 7200
    os.utime(tmp_path / "api-key", (two_hours_ago, two_hours_ago))
    second = await ensure_first_key(data, migrated.master, PEPPER)
    assert (second != first, data.api_key()) == (True, second)
    assert await owner.fetchval("select array_agg(id) from visapi.api_keys") == [parse(second).id]
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
