"""API keys, straight in the database, so that nobody needs a key to make a key."""

import secrets
from collections.abc import Callable, Sequence

import msgspec

from visapi.admin.databases import connection
from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_common.core import scopes as known_scopes
from visapi_common.core.api_keys import hash_key, hash_matches, mint, parse

_QUERIES = load_queries("visapi.admin", "sql/keys.sql")


class NoSuchTenantError(Exception):
    """A key was asked for a tenant that is not there; the message says how to make the tenant."""


class WantedKey(msgspec.Struct, frozen=True, kw_only=True):
    """What the key is for. `scopes` are checked by `check_scopes`."""

    name: str
    made_by: str
    tenant: str = "default"
    kind: str = "admin"
    scopes: Sequence[str] = (known_scopes.ALL,)


def check_scopes(kind: str, wanted: Sequence[str]) -> list[str]:
    """The scopes of a key; those of an admin key are everything. Raises `ValueError`."""
    if kind == "admin":
        return [known_scopes.ALL]
    unknown = [scope for scope in wanted if scope not in (*known_scopes.SCOPES, known_scopes.ALL)]
    if unknown:
        raise ValueError(f"unknown scopes {', '.join(unknown)}; known: {', '.join(known_scopes.SCOPES)}")
    return sorted(set(wanted)) or list(known_scopes.DEFAULT_SCOPES)


def new_key(kind: str) -> str:
    """A key that nobody knows yet."""
    return mint(kind, secrets.randbits(128), secrets.randbits(256))


async def create_key(owner_url: str, pepper: bytes, wanted: WantedKey) -> str:
    """A new key, stored. Raises `NoSuchTenantError`."""
    key = new_key(wanted.kind)
    async with connection(owner_url) as owner:
        await _store(owner, pepper, key, wanted)
    return key


async def ensure_key(
    owner_url: str, pepper: bytes, wanted: WantedKey, *, kept: str | None, keep: Callable[[str], None]
) -> str:
    """The key that was kept, when it may be used; else a new one, kept before it is stored.

    So whoever is interrupted and begins again ends with one key, which is both kept and stored.
    """
    async with connection(owner_url) as owner:
        row = await owner.fetchrow(_QUERIES["key"], parse(kept).id) if kept else None
        if kept and row is not None and row["usable"] and hash_matches(row["hash"], hash_key(pepper, kept)):
            return kept
        key = kept if kept and row is None else new_key(wanted.kind)
        if key != kept:
            keep(key)
        await _store(owner, pepper, key, wanted)
        return key


async def _store(owner: Connection, pepper: bytes, key: str, wanted: WantedKey) -> None:
    if not await owner.fetchval(_QUERIES["tenant_exists"], wanted.tenant):
        raise NoSuchTenantError(
            f"there is no tenant {wanted.tenant}; make it with `visapi admin tenant create {wanted.tenant}`"
        )
    parsed = parse(key)
    await owner.execute(
        _QUERIES["insert_key"],
        parsed.id,
        wanted.tenant,
        parsed.kind,
        wanted.name,
        hash_key(pepper, key),
        list(wanted.scopes),
        wanted.made_by,
    )
