"""Tenants of a running embedded stack, made beside its first one."""

import secrets
from pathlib import Path

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
    key = mint("live", secrets.randbits(128), secrets.randbits(256))
    async with connection(owner) as database:
        await database.execute("insert into visapi.tenants (id) values ($1) on conflict do nothing", tenant)
        await database.execute(
            "insert into visapi.api_keys (id, tenant, kind, name, hash, scopes, created_by)"
            " values ($1, $2, 'live', 'test', $3, array['*'], 'test')",
            parse(key).id,
            tenant,
            hash_key(pepper, key),
        )
    return key
