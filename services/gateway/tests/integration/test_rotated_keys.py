"""Gateways before and after a rotation, on one database: what one made, the other accepts."""

from pathlib import Path
from typing import Any

import asyncpg

from kit.servers import NatsServer
from kit.waiting import eventually
from visapi_common.adapters.artifacts import ArtifactStore
from visapi_common.core.api_keys import parse
from visapi_common.core.keyrings import Key, Keyring

PEPPER = bytes(range(32))
FRESH = Key(b"n" * 32, 1)


def rotated(old: bytes) -> Keyring:
    """The new key is used, the old one accepted."""
    return Keyring((FRESH, Key(old)))


async def test_links_cursors_secrets_and_keys_outlive_a_rotation(
    serve: Any, shared_nats: NatsServer, tmp_path: Path
):
    artifacts = ArtifactStore.open((tmp_path / "artifacts").as_uri())
    artifact = (await artifacts.put("default", b"%PDF-1.7", "pdf", "application/pdf")).id
    after = {
        "key_pepper": rotated(PEPPER),
        "link_secret": rotated(bytes(range(32, 64))),
        "sealing_key": rotated(bytes(range(64, 96))),
    }
    async with serve(shared_nats) as old:
        assert (await old.http.put("/v1/secrets/first", json="k" * 20)).status_code == 201
        await old.deploy()
        for _ in range(2):
            assert (await old.start()).status_code == 202
        cursor = (await old.http.get("/v1/runs", params={"limit": 1})).json()["next"]
        link = (await old.http.post(f"/v1/artifacts/{artifact}/links")).json()["url"]
        async with serve(shared_nats, **after) as new:
            page = (await new.http.get("/v1/runs", params={"limit": 1})).json()
            refused = await old.http.get("/v1/runs", params={"limit": 1, "cursor": page["next"]})
            assert refused.status_code == 400, "it was not restarted before the key was used"
            await _is_accepted(new, old.admin, cursor, link)


async def _is_accepted(new: Any, key: str, cursor: str, link: str) -> None:
    async with new.client(key) as client:
        assert (await client.get("/v1/runs", params={"limit": 1, "cursor": cursor})).status_code == 200
    async with new.client(None) as nobody:
        assert (await nobody.get(link)).content == b"%PDF-1.7"
    assert (await new.http.put("/v1/secrets/second", json="k" * 20)).status_code == 201
    assert (await new.http.put("/v1/secrets/first", json="k" * 20)).status_code == 204
    sealed = await new.db.fetch("select sealed_with from visapi.secrets")
    assert {row["sealed_with"] for row in sealed} == {FRESH.id}

    async def hashed_anew() -> bool:
        return await _pepper_of(new.db, key) == FRESH.id

    await eventually(hashed_anew)
    made = (await new.http.post("/v1/keys", json={"name": "made", "kind": "live"})).json()["key"]
    assert await _pepper_of(new.db, made) == FRESH.id


async def _pepper_of(db: asyncpg.Connection, key: str) -> str | None:
    return await db.fetchval("select pepper from visapi.api_keys where id = $1", parse(key).id)
