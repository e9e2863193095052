"""`visapi admin roles` against a PostgreSQL that gives nobody a superuser."""

import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from kit.managed_postgres import MASTER, PASSWORDS, Cluster, visapi
from visapi.admin.databases import SERVICE_ROLES
from visapi_common.core.postgres_url import SSL_MODES

BEHIND = 3
USAGE = 2
ASCII_ONLY = "use printable ASCII characters only, such as the output of `openssl rand -hex 24`"


async def test_an_owner_who_is_no_superuser_makes_roles_and_schema(cluster: Cluster):
    made = cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS)
    assert made.returncode == 0, made.stderr
    assert cluster.command("migrate", "--check", visapi_owner_url=cluster.master).returncode == BEHIND
    migrated = cluster.command("migrate", visapi_owner_url=cluster.master)
    assert migrated.returncode == 0, migrated.stderr
    assert cluster.command("migrate", "--check", visapi_owner_url=cluster.master).returncode == 0
    assert (
        cluster.command("migrate", "--check", "--step", "all", visapi_owner_url=cluster.master).returncode
        == 0
    )
    for role in SERVICE_ROLES:
        password = PASSWORDS[f"{role}_password"]
        service = await asyncpg.connect(f"postgresql://{role}:{password}@{cluster.place}/master")
        assert (
            await service.fetchval("select id from visapi.tenants") == "default"
            if "notifier" not in role
            else True
        )
        await service.close()


async def test_roles_are_made_once_and_get_new_passwords(cluster: Cluster, tmp_path: Path):
    settings = {"visapi_owner_url": cluster.master, **PASSWORDS}
    assert cluster.command("roles", **settings).returncode == 0
    (tmp_path / "rotated").write_text("v-rotated\n")
    del settings["visapi_gateway_password"]
    again = cluster.command("roles", visapi_gateway_password_file=str(tmp_path / "rotated"), **settings)
    assert again.returncode == 0, again.stderr
    assert "visapi_gateway is there; its password was set" in again.stderr
    service = await asyncpg.connect(f"postgresql://visapi_gateway:v-rotated@{cluster.place}/master")
    await service.close()
    kept = cluster.command("roles", visapi_owner_url=cluster.master)
    assert kept.returncode == 0, kept.stderr
    assert "visapi_gateway is there; no password was given, so it keeps its own" in kept.stderr
    service = await asyncpg.connect(f"postgresql://visapi_gateway:v-rotated@{cluster.place}/master")
    await service.close()


async def test_a_password_is_rotated_by_a_file_that_holds_the_earlier_one_until_it_is_dropped(
    cluster: Cluster, tmp_path: Path
):
    folder = tmp_path / "secrets"
    assert cluster.command("secrets", str(folder)).returncode == 0
    file = folder / "postgres-gateway-password"
    first = file.read_text().split()
    given = {"visapi_owner_url": cluster.master, **PASSWORDS}
    del given["visapi_gateway_password"]
    given["visapi_gateway_password_file"] = str(file)
    assert cluster.command("roles", **given).returncode == 0

    rotated = cluster.command("rotate", str(file))
    assert "`visapi admin roles` sets the new one" in rotated.stderr
    second = file.read_text().split()
    assert (len(second), second[1:], file.stat().st_mode & 0o777) == (2, first, 0o600)
    twice = cluster.command("rotate", str(file))
    assert (twice.returncode, "a rotation is under way" in twice.stderr) == (USAGE, True)
    assert cluster.command("roles", **given).returncode == 0
    service = await asyncpg.connect(f"postgresql://visapi_gateway:{second[0]}@{cluster.place}/master")
    await service.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://visapi_gateway:{first[0]}@{cluster.place}/master")

    assert cluster.command("rotate", str(file), "--drop").returncode == 0
    assert file.read_text().split() == second[:1]
    again = cluster.command("rotate", str(file), "--drop")
    assert (again.returncode, "there is no earlier one" in again.stderr) == (USAGE, True)
    other = cluster.command("rotate", str(folder / "postgres-owner-password"))
    assert (other.returncode, "no secret that can be rotated" in other.stderr) == (USAGE, True)


async def test_nobody_else_may_enter_the_database(cluster: Cluster):
    assert cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    superuser = await asyncpg.connect(cluster.superuser)
    await superuser.execute("create role stranger login password 'stranger'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(f"postgresql://stranger:stranger@{cluster.place}/master")
    stored = await superuser.fetchval("select rolpassword from pg_authid where rolname = 'visapi_gateway'")
    await superuser.close()
    assert stored.startswith("SCRAM-SHA-256$4096:")


async def test_an_administrator_makes_the_owner_and_the_database(cluster: Cluster):
    owner = f"postgresql://visapi_owner:v-owner@{cluster.place}/visapi"
    settings = {"visapi_owner_url": owner, "visapi_admin_url": cluster.master, **PASSWORDS}
    for _ in range(2):
        made = cluster.command("roles", **settings)
        assert made.returncode == 0, made.stderr
    migrated = cluster.command("migrate", visapi_owner_url=owner)
    assert migrated.returncode == 0, migrated.stderr
    connection = await asyncpg.connect(cluster.superuser)
    row = await connection.fetchrow(
        "select r.rolname, r.rolsuper, r.rolcreaterole from pg_database d join pg_roles r on r.oid = d.datdba"
        " where datname = 'visapi'"
    )
    await connection.close()
    assert tuple(row or ()) == ("visapi_owner", False, False)


async def test_an_owner_who_may_make_no_roles_is_told_who_may(cluster: Cluster):
    superuser = await asyncpg.connect(cluster.superuser)
    await superuser.execute(f"alter role {MASTER} nocreaterole")
    refused = cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
    assert f"{MASTER} may not make the role visapi_gateway" in refused.stderr
    assert "VISAPI_ADMIN_URL" in refused.stderr

    for role in SERVICE_ROLES:
        await superuser.execute(f"create role {role} login password 'made-by-somebody'")
    await superuser.close()
    accepted = cluster.command("roles", visapi_owner_url=cluster.master)
    assert accepted.returncode == 0, accepted.stderr
    assert cluster.command("migrate", visapi_owner_url=cluster.master).returncode == 0


async def test_a_role_that_would_see_every_tenant_is_refused(cluster: Cluster):
    superuser = await asyncpg.connect(cluster.superuser)
    await superuser.execute("create role visapi_gateway login bypassrls password 'x'")
    await superuser.close()
    refused = cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS)
    assert refused.returncode == 1
    assert "visapi_gateway is a superuser or has BYPASSRLS" in refused.stderr


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "VISAPI_OWNER_URL is not set, nor is VISAPI_OWNER_URL_FILE; this command needs it"),
        (
            {"visapi_owner_url": "mysql://a@h/d"},
            "VISAPI_OWNER_URL is wrong: it must begin with postgresql://",
        ),
        (
            {"visapi_owner_url": "postgresql://a@h/d?sslmode=verify"},
            "VISAPI_OWNER_URL is wrong: sslmode='verify' is unknown; allowed: " + ", ".join(SSL_MODES),
        ),
        (
            {"visapi_owner_url": "postgresql://a@h/d?sslmode=verify-full&sslrootcert=/nowhere/ca.crt"},
            "VISAPI_OWNER_URL is wrong: sslrootcert cannot read /nowhere/ca.crt: No such file or directory",
        ),
        (
            {"visapi_owner_url": "postgresql://a@h/d", "visapi_gateway_password": "gänse"},
            f"the password of visapi_gateway cannot be used: {ASCII_ONLY}",
        ),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_changed(settings: dict[str, str], line: str):
    environ = {name.upper(): value for name, value in settings.items()}
    refused = visapi("admin", "roles", environ=environ)
    assert (refused.returncode, refused.stderr) == (USAGE, f"error: {line}\n")


def test_a_database_that_is_not_there_is_waited_for(cluster: Cluster):
    cluster.server.kill()
    settings = {"visapi_owner_url": cluster.master, **PASSWORDS}
    gone = cluster.command("roles", "--wait", "0", **settings)
    assert gone.returncode == 1
    assert "PostgreSQL cannot be reached" in gone.stderr
    waiting = subprocess.Popen(
        [sys.executable, "-m", "visapi", "admin", "roles"],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], **{name.upper(): value for name, value in settings.items()}},
    )
    cluster.server.process.start()
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, said
