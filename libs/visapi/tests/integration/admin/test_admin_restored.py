"""`visapi admin restored`: as an owner who is no superuser, on tables whose policies bind the owner too."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest

from kit.gateway_rows import GatewayRows
from kit.managed_postgres import PASSWORDS, Cluster
from visapi_common.adapters.clock import RandomIds
from visapi_common.adapters.pool import open_pool
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import Payload

_ARTIFACT = f"{'a' * 64}.pdf"
_STRAY = f"{'b' * 64}.pdf"


@pytest.fixture
async def known(cluster: Cluster) -> UUID:
    """A run that the restored database knows, whose input names an artifact."""
    for command in ("roles", "migrate"):
        assert cluster.command(command, visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    named = msgspec.Raw(b'{"id":"%b"}' % _ARTIFACT.encode())
    trigger = Trigger(
        run=(run := RandomIds().uuid7()),
        tenant="default",
        workflow=WorkflowRef("shop", "greet", "1.0.0"),
        program="00" * 32,
        input=Payload(inline=named),
        created_at=datetime.now(UTC),
    )
    pool = await open_pool(f"{cluster.superuser.rpartition('/')[0]}/master", size=1, application="test")
    await GatewayRows(pool).accept(trigger)
    await pool.close()
    return run


async def test_lost_runs_and_missing_artifacts_are_named_and_effects_are_held(
    cluster: Cluster, known: UUID, tmp_path: Path
):
    lost = RandomIds().uuid7()
    log = tmp_path / "gateway.log"
    log.write_text(
        f'{{"path":"/v1/runs/{known}"}}\n{{"run":"{lost}"}}\n{{"request":"{RandomIds().uuid7()}"}}\n'
    )
    stray = tmp_path / "store/artifacts/default" / _STRAY
    stray.parent.mkdir(parents=True)
    stray.touch()
    asked = {"visapi_owner_url": cluster.master, "visapi_artifacts_url": (tmp_path / "store").as_uri()}
    said = cluster.command("restored", "--accepted", str(log), "--json", **asked)
    assert said.returncode == 1, said.stderr
    report = json.loads(said.stdout)
    assert report["ledger"] | {"newest": ""} == {
        "open_runs": 1,
        "newest": "",
        "lost": [str(lost)],
        "held": True,
    }
    missing, strays = [f"artifacts/default/{_ARTIFACT}"], [f"artifacts/default/{_STRAY}"]
    assert report["artifacts"] == {"named": 1, "missing": missing, "strays": strays}


async def test_the_hold_ends_when_it_is_released(cluster: Cluster, known: UUID):
    assert "held" in cluster.command("restored", visapi_owner_url=cluster.master).stdout
    assert cluster.command("restored", "--release", visapi_owner_url=cluster.master).returncode == 0
    said = cluster.command("restored", "--no-hold", visapi_owner_url=cluster.master)
    assert "NOT held" in said.stdout
    assert "open runs          1;" in said.stdout


async def test_the_policies_that_bind_the_owner_stand_afterwards(cluster: Cluster, known: UUID):
    assert cluster.command("restored", visapi_owner_url=cluster.master).returncode == 0
    owner = await asyncpg.connect(cluster.master)
    bound = "select count(*) from pg_class where relnamespace = 'visapi'::regnamespace and relname = any($1)"
    tables = ["runs", "runs_done", "history", "inbox"]
    assert await owner.fetchval(f"{bound} and relforcerowsecurity", tables) == len(tables)
    await owner.close()
