"""Tenants and keys, made by the statements of `visapi admin`."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from kit.servers import run_async
from visapi.admin.databases import OWNER, connection
from visapi.stack.data_directory import DataDirectory
from visapi_common.adapters.queries import load_queries
from visapi_common.core.api_keys import hash_key, mint, parse
from visapi_common.core.keyrings import Keyring

_TENANTS = load_queries("visapi.admin", "sql/tenants.sql")
_KEYS = load_queries("visapi.admin", "sql/keys.sql")


def owner_url(data_dir: Path, gateway: int) -> str:
    """The URL with which the schema's owner reaches the database of the stack whose gateway is this process."""
    where = psutil.Process(gateway).environ()["VISAPI_POSTGRES_URL"].rpartition("@")[2]
    return f"postgresql://{OWNER}:{DataDirectory(data_dir).secrets().postgres[OWNER]}@{where}"


def make_tenant(data_dir: Path, gateway: int, tenant: str) -> str:
    """Make a tenant of the stack, and a key with which the tenant may do everything."""
    pepper = Keyring.read(DataDirectory(data_dir).secrets().key_pepper).at(datetime.now(UTC)).secret
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
    """A key of a tenant, which is made where it does not exist."""
    key = mint(kind, secrets.randbits(128), secrets.randbits(256))
    await add_tenants(database, tenant)
    pepper_id = Keyring.of(pepper).keys[0].id
    row = (parse(key).id, tenant, kind, "test", hash_key(pepper, key), list(scopes), "test", pepper_id)
    await database.execute(_KEYS["insert_key"], *row)
    return key


async def add_tenants(database: Any, *tenants: str) -> None:
    """The tenants that do not exist yet."""
    for tenant in tenants:
        await database.execute(_TENANTS["insert_tenant"], tenant)


async def disable(database: Any, tenant: str) -> None:
    await database.execute(_TENANTS["disable_tenant"], tenant, None)


async def enable(database: Any, tenant: str) -> None:
    await database.execute(_TENANTS["enable_tenant"], tenant)
