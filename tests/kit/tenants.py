"""Tenants of a running embedded stack, made beside its first one."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from kit.servers import run_async
from visapi.admin.databases import OWNER, connection
from visapi.stack.data_directory import DataDirectory
from visapi_common.core.api_keys import hash_key, mint, parse


def owner_url(data_dir: Path, gateway: int) -> str:
    """The URL with which the schema's owner reaches the database of the stack whose gateway is this process."""
    where = psutil.Process(gateway).environ()["VISAPI_POSTGRES_URL"].rpartition("@")[2]
    return f"postgresql://{OWNER}:{DataDirectory(data_dir).secrets().postgres[OWNER]}@{where}"


def make_tenant(data_dir: Path, gateway: int, tenant: str) -> str:
    """Make a tenant of the stack, and a key with which the tenant may do everything."""
    pepper = bytes.fromhex(DataDirectory(data_dir).secrets().key_pepper)
    return run_async(_add_tenant(owner_url(data_dir, gateway), tenant, pepper))


async def _add_tenant(owner: str, tenant: str, pepper: bytes) -> str:
    async with connection(owner) as database:
        return await put_key(database, tenant, pepper)


async def put_key(
    database: Any,
    tenant: str,
    pepper: bytes,
    *,
    scopes: Sequence[str] = ("*",),
    kind: str = "live",
) -> str:
    """A key of a tenant, which is made where it does not exist: no statement of ours makes tenants."""
    key = mint(kind, secrets.randbits(128), secrets.randbits(256))
    await database.execute("insert into visapi.tenants (id) values ($1) on conflict do nothing", tenant)
    await database.execute(
        "insert into visapi.api_keys (id, tenant, kind, name, hash, scopes, created_by)"
        " values ($1, $2, $3, 'test', $4, $5, 'test')",
        parse(key).id,
        tenant,
        kind,
        hash_key(pepper, key),
        list(scopes),
    )
    return key
