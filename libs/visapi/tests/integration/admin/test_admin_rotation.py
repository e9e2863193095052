"""`visapi admin rotate`, `reseal` and `rotation`, on a real database with its roles."""

import asyncio
import os
import random
import re
import secrets
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from kit.forms import variants
from kit.ledger_rows import overwrite, plant
from kit.managed_postgres import Cluster
from kit.servers import Database
from kit.waiting import eventually
from visapi.admin.rotation import examine_rings
from visapi_common.adapters.pool import open_pool
from visapi_common.core.keyrings import Key, Keyring
from visapi_common.core.sealing import (
    name_of_account_version,
    name_of_endpoint_secret,
    name_of_hook_secret,
    seal,
    unseal,
)
from visapi_notifier.credentials.store import PostgresSecrets

USAGE, STILL_NEEDED = 2, 3
FAR = 32_503_680_000_000
"""The year 3000."""
OLD, NEW = Key(b"o" * 32), Key(b"n" * 32, 1)
BOTH = Keyring((NEW, OLD))
VALUE = b'{"token":"' + b"t" * 200 + b'"}'


def resealing(database: Database, keys: Keyring = BOTH) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "visapi", "admin", "reseal"]
    settings = {"VISAPI_OWNER_URL": database.owner, "VISAPI_SEALING_KEY": keys.text()}
    environ = {"PATH": os.environ["PATH"], **settings}
    return subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def store(owner: asyncpg.Connection, count: int, key: Key, label: str | None) -> None:
    rows = [
        ("default", f"s{number:05}", _sealed(f"s{number:05}", key), "test", label) for number in range(count)
    ]
    columns = ["tenant", "name", "sealed", "updated_by", "sealed_with"]
    await owner.copy_records_to_table("secrets", schema_name="visapi", records=rows, columns=columns)


def _sealed(name: str, key: Key) -> bytes:
    return seal(key.secret, VALUE, tenant="default", name=name, nonce=secrets.token_bytes(12))


async def labels(owner: asyncpg.Connection) -> dict[str | None, int]:
    rows = await owner.fetch("select sealed_with, count(*) as count from visapi.secrets group by 1")
    return {row["sealed_with"]: row["count"] for row in rows}


@pytest.mark.parametrize("size", variants(["1000", "10000"], short=["1000"]))
async def test_secrets_are_sealed_anew_by_a_command_that_is_killed_while_a_tenant_reads(
    postgres_db: Database, size: str
):
    count = int(size)
    owner, holding = [await asyncpg.connect(postgres_db.superuser) for _ in range(2)]
    await store(owner, count, OLD, None)
    pool = await open_pool(postgres_db.notifier, size=1, application="test")
    # Replicas with and without the restart that gave them the new order.
    replicas = [PostgresSecrets(pool, ring) for ring in (BOTH, Keyring((Key(NEW.secret, FAR), OLD)))]
    reads, enough = 0, asyncio.Event()

    async def read() -> None:
        nonlocal reads
        draw = random.Random(7)
        while not enough.is_set():
            names = {f"s{draw.randrange(count):05}" for _ in range(20)}
            opened = await replicas[reads % 2].open("default", names)
            assert opened.keys() == names
            reads += 1
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        async with holding.transaction():
            await holding.execute("select from visapi.secrets where name = 's00550' for update")
            process = resealing(postgres_db)
            await eventually(partial(waits_for_a_lock, owner, postgres_db))
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.communicate)
        await eventually(partial(nobody_is_connected, owner, postgres_db))
        part = (await labels(owner))[NEW.id]
        # PostgreSQL ends the statement that it has, whether or not anybody waits for its answer.
        assert part in (500, 600), "a batch is written whole, or not at all"
        began, before = time.monotonic(), reads
        again = resealing(postgres_db)
        told, _ = await asyncio.to_thread(again.communicate)
        took_s = time.monotonic() - began
        enough.set()
    print(f"sealed {count - part} in {took_s:.1f} s, beside {reads - before} reads of 20 secrets")
    assert again.returncode == 0, told
    assert await labels(owner) == {NEW.id: count}
    only_new = PostgresSecrets(pool, Keyring((NEW,)))
    assert len(await only_new.open("default", [f"s{number:05}" for number in range(count)])) == count
    await pool.close()
    await holding.close()
    await owner.close()


async def waits_for_a_lock(owner: asyncpg.Connection, database: Database) -> bool:
    query = "select count(*) from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'"
    return bool(await owner.fetchval(query, database.name))


async def nobody_is_connected(owner: asyncpg.Connection, database: Database) -> bool:
    query = "select count(*) from pg_stat_activity where datname = $1 and usename = 'visapi_owner'"
    return await owner.fetchval(query, database.name) == 0


async def test_what_no_key_opens_is_named_and_stops_nothing(postgres_db: Database):
    owner = await asyncpg.connect(postgres_db.superuser)
    await store(owner, 3, OLD, "00000000")
    await overwrite(owner, "secrets", {"name": "s00001"}, sealed=b"changed")
    process = resealing(postgres_db)
    _, told = await asyncio.to_thread(process.communicate)
    assert process.returncode == 1
    assert "1 secrets cannot be opened with these keys: default/s00001" in told
    assert await labels(owner) == {NEW.id: 2, "00000000": 1}
    await owner.close()


async def test_a_secret_that_is_stored_meanwhile_is_not_overwritten(postgres_db: Database):
    owner, looking = [await asyncpg.connect(postgres_db.superuser) for _ in range(2)]
    await store(owner, 1, OLD, OLD.id)
    fresh = _sealed("s00000", NEW)
    async with owner.transaction():
        await overwrite(owner, "secrets", {}, sealed=fresh, sealed_with=NEW.id)
        process = resealing(postgres_db)
        await eventually(partial(waits_for_a_lock, looking, postgres_db))
    await asyncio.to_thread(process.communicate)
    assert process.returncode == 0
    assert await owner.fetchval("select sealed from visapi.secrets") == fresh
    await looking.close()
    await owner.close()


@pytest.fixture
def folder(migrated: Cluster, tmp_path: Path) -> Path:
    assert migrated.command("secrets", str(tmp_path / "secrets")).returncode == 0
    return tmp_path / "secrets"


def settings_of(cluster: Cluster, folder: Path) -> dict[str, str]:
    names = ("key-pepper", "link-secret", "sealing-key", "effect-secret", "handle-secret")
    files = {f"visapi_{name.replace('-', '_')}_file": str(folder / name) for name in names}
    return {"visapi_owner_url": cluster.master, **files}


async def test_an_earlier_key_is_dropped_only_when_nothing_depends_on_it(migrated: Cluster, folder: Path):
    settings = settings_of(migrated, folder)
    assert migrated.command("key", "create", "first", **settings).returncode == 0
    assert migrated.command("rotation", **settings).returncode == 0
    owner = await asyncpg.connect(migrated.master, server_settings={"search_path": "visapi"})
    key = Keyring.read((folder / "sealing-key").read_text()).keys[0]
    await plant(owner, "secrets", tenant="default", name="old", sealed=_sealed("old", key), updated_by="test")
    for name in ("key-pepper", "sealing-key", "effect-secret", "link-secret"):
        assert migrated.command("rotate", str(folder / name), "--after", "0").returncode == 0

    told = migrated.command("rotation", **settings)
    assert told.returncode == STILL_NEEDED, told.stderr
    assert "1 API keys depend on earlier keys" in told.stdout
    assert "1 secrets depend on earlier keys: default/old" in told.stdout
    assert "links under earlier keys open until" in told.stdout
    assert re.search(r"ok .* effect-secret .* nothing depends on \w{8}: it can be dropped", told.stdout)
    for name in ("key-pepper", "sealing-key", "link-secret"):
        kept = (folder / name).read_text()
        refused = migrated.command("rotate", str(folder / name), "--drop", **settings)
        assert (refused.returncode, "nothing was dropped" in refused.stderr) == (STILL_NEEDED, True)
        assert (folder / name).read_text() == kept

    assert "sealed 1 secrets" in migrated.command("reseal", **settings).stderr
    used = Keyring.read((folder / "key-pepper").read_text()).at(datetime.now(UTC))
    await overwrite(owner, "api_keys", {}, pepper=used.id)
    for name in ("key-pepper", "sealing-key", "effect-secret"):
        dropped = migrated.command("rotate", str(folder / name), "--drop", **settings)
        assert dropped.returncode == 0, dropped.stderr
        assert len(Keyring.read((folder / name).read_text()).keys) == 1
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    await owner.close()


async def test_a_key_that_rows_need_and_no_ring_has_is_a_failure(migrated: Cluster, folder: Path):
    settings = settings_of(migrated, folder)
    assert migrated.command("key", "create", "first", **settings).returncode == 0
    (folder / "key-pepper").write_text("ab" * 32)
    told = migrated.command("rotation", **settings)
    assert told.returncode == 1
    assert re.search(r"fail .* key-pepper .* 1 API keys need key \w{8} .* put it back", told.stdout)
    doctor = migrated.command("doctor", **settings)
    assert re.search(r"fail .* key-pepper", doctor.stdout)


async def test_open_runs_from_before_a_key_hold_the_earlier_one(migrated: Cluster, folder: Path):
    settings = settings_of(migrated, folder)
    assert migrated.command("rotate", str(folder / "effect-secret"), "--after", "60").returncode == 0
    told = migrated.command("rotation", **settings)
    assert re.search(r"warn .* effect-secret .* key \w{8} is used from", told.stdout)
    twice = migrated.command("rotate", str(folder / "effect-secret"))
    assert (twice.returncode, "a rotation is under way" in twice.stderr) == (USAGE, True)

    superuser = await asyncpg.connect(migrated.server.server.url("postgres", "master"))
    for number, quiet in enumerate((False, True)):
        workflow: dict[str, object] = {"tenant": "default", "namespace": "n", "name": "w", "version": "1"}
        rest: dict[str, object] = {"program": b"p", "partition": 0, "input": b"{}", "started_by": "test"}
        await plant(superuser, "runs", id=UUID(int=number), quiet=quiet, **workflow, **rest)
    await superuser.close()
    assert migrated.command("rotate", str(folder / "handle-secret"), "--after", "0").returncode == 0
    told = migrated.command("rotation", **settings)
    assert "1 open runs depend on earlier keys, until they end" in told.stdout
    refused = migrated.command("rotate", str(folder / "handle-secret"), "--drop", **settings)
    assert refused.returncode == STILL_NEEDED
    forced = migrated.command("rotate", str(folder / "handle-secret"), "--drop", "--force")
    assert forced.returncode == 0
    told = migrated.command("rotation", **settings)
    assert (told.returncode, "1 open runs are older than key" in told.stdout) == (1, True)


def test_only_files_with_keys_and_passwords_of_services_are_rotated(migrated: Cluster, folder: Path):
    refused = migrated.command("rotate", str(folder / "metrics-token"))
    assert (refused.returncode, "is no secret that can be rotated" in refused.stderr) == (USAGE, True)
    (folder / "key-pepper").write_text("secret nonsense")
    refused = migrated.command("rotate", str(folder / "key-pepper"))
    assert (refused.returncode, "nonsense" in refused.stderr) == (USAGE, False)


async def test_secrets_of_hooks_are_sealed_anew_too_and_only_under_their_own_names(postgres_db: Database):
    owner = await asyncpg.connect(postgres_db.superuser)
    await store(owner, 2, OLD, OLD.id)
    hook, other, good, moved = (UUID(int=number) for number in range(1, 5))
    settings: dict[str, object] = {
        "provider": "github",
        "settings": b"{}",
        "created_by": "t",
        "updated_by": "t",
    }
    for number, ident in enumerate((hook, other)):
        await plant(
            owner, "hooks", tenant="default", id=ident, name=f"h{number}", address=f"a{number}", **settings
        )
    for secret, under in ((good, hook), (moved, other)):
        # The second one was copied from another hook.
        name = name_of_hook_secret(hook, secret)
        sealed = seal(OLD.secret, b"a secret", tenant="default", name=name, nonce=secrets.token_bytes(12))
        kept: dict[str, object] = {
            "purpose": "signature",
            "sealed": sealed,
            "sealed_with": OLD.id,
            "created_by": "t",
        }
        await plant(owner, "hook_secrets", tenant="default", hook=under, id=secret, **kept)
    found = await examine_rings(postgres_db.owner, {"sealing-key": BOTH}, datetime.now(UTC))
    assert [each.detail[:36] for each in found] == ["4 secrets depend on earlier keys: de"]
    process = resealing(postgres_db)
    _, told = await asyncio.to_thread(process.communicate)
    assert "sealed 3 secrets" in told
    assert f"1 secrets cannot be opened with these keys: default/hook/{other}/{moved}" in told
    rows = await owner.fetch("select id, sealed, sealed_with from visapi.hook_secrets order by id")
    assert [(row["id"], row["sealed_with"]) for row in rows] == [(good, NEW.id), (moved, OLD.id)]
    name = name_of_hook_secret(hook, good)
    assert unseal(NEW.secret, rows[0]["sealed"], tenant="default", name=name) == b"a secret"
    await owner.close()


async def test_secrets_of_endpoints_are_sealed_anew_too_and_only_under_their_own_names(postgres_db: Database):
    owner = await asyncpg.connect(postgres_db.superuser)
    endpoint, other, good, moved = (UUID(int=number) for number in range(1, 5))
    made: dict[str, object] = {"types": ["*"], "wants": 7, "created_by": "t", "updated_by": "t"}
    for ident in (endpoint, other):
        where = {"name": f"e{ident.int}", "url": "https://example.com/"}
        await plant(owner, "endpoints", tenant="default", id=ident, **where, **made)
    for secret, under in ((good, endpoint), (moved, other)):
        # The second one was copied from another endpoint.
        name = name_of_endpoint_secret(endpoint, secret)
        sealed = seal(OLD.secret, b"whsec_x", tenant="default", name=name, nonce=secrets.token_bytes(12))
        kept: dict[str, object] = {"sealed": sealed, "sealed_with": OLD.id, "created_by": "t"}
        await plant(owner, "endpoint_secrets", tenant="default", endpoint=under, id=secret, **kept)
    found = await examine_rings(postgres_db.owner, {"sealing-key": BOTH}, datetime.now(UTC))
    assert [each.detail[:36] for each in found] == ["2 secrets depend on earlier keys: de"]
    process = resealing(postgres_db)
    _, told = await asyncio.to_thread(process.communicate)
    assert "sealed 1 secrets" in told
    assert f"1 secrets cannot be opened with these keys: default/endpoint/{other}/{moved}" in told
    rows = await owner.fetch("select id, sealed, sealed_with from visapi.endpoint_secrets order by id")
    assert [(row["id"], row["sealed_with"]) for row in rows] == [(good, NEW.id), (moved, OLD.id)]
    name = name_of_endpoint_secret(endpoint, good)
    assert unseal(NEW.secret, rows[0]["sealed"], tenant="default", name=name) == b"whsec_x"
    await owner.close()


async def test_versions_of_accounts_are_sealed_anew_too_and_only_under_their_own_names(postgres_db: Database):
    owner = await asyncpg.connect(postgres_db.superuser)
    good, moved = UUID(int=1), UUID(int=2)
    made: dict[str, object] = {"kind": "slack", "created_by": "t", "updated_by": "t"}
    for number, (name, version) in enumerate((("mine", good), ("other", moved)), 1):
        # The second one was copied from another account.
        place = name_of_account_version("mine", version)
        sealed = seal(OLD.secret, b"{}", tenant="default", name=place, nonce=secrets.token_bytes(12))
        kept: dict[str, object] = {"sealed": sealed, "sealed_with": OLD.id, "created_by": "t"}
        await plant(owner, "accounts", tenant="default", name=name, version=number, **made)
        row: dict[str, object] = {"version": number, "settings": b"{}", "shown": b"[]", "id": version}
        await plant(owner, "account_versions", tenant="default", name=name, **row, **kept)
    found = await examine_rings(postgres_db.owner, {"sealing-key": BOTH}, datetime.now(UTC))
    assert [each.detail[:36] for each in found] == ["2 secrets depend on earlier keys: de"]
    process = resealing(postgres_db)
    _, told = await asyncio.to_thread(process.communicate)
    assert "sealed 1 secrets" in told
    assert f"1 secrets cannot be opened with these keys: default/account/other/{moved}" in told
    rows = await owner.fetch("select id, sealed, sealed_with from visapi.account_versions order by id")
    assert [(row["id"], row["sealed_with"]) for row in rows] == [(good, NEW.id), (moved, OLD.id)]
    place = name_of_account_version("mine", good)
    assert unseal(NEW.secret, rows[0]["sealed"], tenant="default", name=place) == b"{}"
    await owner.close()
