"""API keys, written directly to the database, so that the first key needs no other key."""

import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from visapi.admin.databases import connection
from visapi.admin.tenants import NoSuchTenantError
from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Connection, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.core import scopes as known_scopes
from visapi_common.core.api_keys import hash_key, hash_matches, mint, parse
from visapi_common.core.keyrings import Keyring

_QUERIES = load_queries("visapi.admin", "sql/keys.sql")
_RECENT_S = 3600.0
"""A kept key without a row may be stored for so long. Rows of ended keys are deleted after a day at the
earliest (`VISAPI_ENDED_KEYS_DAYS`), so only a command that was interrupted leaves a younger file without one.
"""


class KeptKeyError(Exception):
    """The kept key is not the one that was asked for, or the database no longer knows it."""


class KeptKey(msgspec.Struct, frozen=True):
    """A key that an earlier command kept. `recent`: it may have been interrupted before it stored the key."""

    token: str
    recent: bool


class WantedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to create. `check_scopes` checks `scopes`."""

    name: str
    made_by: str
    actor: str
    """The creator, as the audit names them."""
    tenant: str = "default"
    kind: str = "admin"
    scopes: Sequence[str] = (known_scopes.ALL,)


def check_scopes(kind: str, wanted: Sequence[str]) -> list[str]:
    """The scopes of a key; an admin key has all of them, but for those that only an operator gives. Raises
    `ValueError`.
    """
    if kind == "admin":
        return [known_scopes.ALL, *(scope for scope in known_scopes.OPERATOR_SCOPES if scope in wanted)]
    unknown = [scope for scope in wanted if scope not in (*known_scopes.SCOPES, known_scopes.ALL)]
    if unknown:
        raise ValueError(f"unknown scopes {', '.join(unknown)}; known: {', '.join(known_scopes.SCOPES)}")
    return sorted(set(wanted)) or list(known_scopes.DEFAULT_SCOPES)


def new_key(kind: str) -> str:
    """A new random key, not stored yet."""
    return mint(kind, secrets.randbits(128), secrets.randbits(256))


async def create_key(owner_url: str, peppers: Keyring, wanted: WantedKey) -> str:
    """A new key, stored. Raises `NoSuchTenantError`."""
    key = new_key(wanted.kind)
    async with connection(owner_url) as owner:
        await _store(owner, peppers, key, wanted)
    return key


async def ensure_key(
    owner_url: str, peppers: Keyring, wanted: WantedKey, *, kept: KeptKey | None, keep: Callable[[str], None]
) -> str:
    """The kept key, when it may be used; else a new one, which is kept before it is stored.

    So a caller that is interrupted and begins again ends with one key, which is both kept and stored.
    Raises `KeptKeyError` and `NoSuchTenantError`.
    """
    async with connection(owner_url) as owner:
        row = await owner.fetchrow(_QUERIES["key"], parse(kept.token).id) if kept else None
        if kept and row is None:
            _check_unknown(kept, wanted)
            await _store(owner, peppers, kept.token, wanted)
            return kept.token
        if kept and row is not None and row["usable"]:
            _check_same(row, wanted)
            if any(hash_matches(row["hash"], hash_key(each.secret, kept.token)) for each in peppers.keys):
                return kept.token
        key = new_key(wanted.kind)
        keep(key)
        await _store(owner, peppers, key, wanted)
        return key


def written_recently(path: Path) -> bool:
    """Whether a command that was interrupted may have left this file."""
    return abs(time.time() - path.stat().st_mtime) < _RECENT_S


def _check_unknown(kept: KeptKey, wanted: WantedKey) -> None:
    """A key that was revoked long ago has no row either, and must not become valid again."""
    parsed = parse(kept.token)
    if not kept.recent:
        raise KeptKeyError(
            f"holds the key {parsed.id}, which the database does not know: it was revoked long ago, "
            "was never stored, or belongs to another database"
        )
    if parsed.kind != wanted.kind:
        raise KeptKeyError(f"holds a key of kind {parsed.kind}, not {wanted.kind}")


def _check_same(row: Row, wanted: WantedKey) -> None:
    for what, found, asked in (
        ("of tenant", row["tenant"], wanted.tenant),
        ("of kind", row["kind"], wanted.kind),
        ("with scopes", ", ".join(sorted(row["scopes"])), ", ".join(sorted(wanted.scopes))),
    ):
        if found != asked:
            raise KeptKeyError(f"holds a key {what} {found}, not {asked}")


async def _store(owner: Connection, peppers: Keyring, key: str, wanted: WantedKey) -> None:
    """The key and its row of the audit, or neither."""
    parsed, pepper = parse(key), peppers.at(datetime.now(UTC))
    details = {"kind": parsed.kind, "scopes": sorted(wanted.scopes), "name": wanted.name}
    made = AuditEntry(
        wanted.tenant, wanted.actor, AuditAction.KEY_CREATE, f"key:{parsed.id}", None, None, details
    )
    async with owner.transaction():
        if not await owner.fetchval(_QUERIES["tenant_exists"], wanted.tenant):
            raise NoSuchTenantError(
                f"there is no tenant {wanted.tenant}; "
                f"make it with `visapi admin tenant create {wanted.tenant}`"
            )
        await owner.execute(
            _QUERIES["insert_key"],
            parsed.id,
            wanted.tenant,
            parsed.kind,
            wanted.name,
            hash_key(pepper.secret, key),
            list(wanted.scopes),
            wanted.made_by,
            pepper.id,
        )
        await record(owner, made)
