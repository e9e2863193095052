"""Seals secrets of workflows, hooks, endpoints and accounts again, in batches, under the key of now.

Each batch is one statement that replaces only values that have not changed since they were read, so a secret
is always sealed under the key that its row names. An interrupted command can be repeated; it seals the
remaining values.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from visapi.admin.databases import connection
from visapi_common.adapters.pool import Connection, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import Fault
from visapi_common.core.keyrings import Key, Keyring
from visapi_common.core.sealing import NONCE_BYTES, UnsealError, seal, unseal_with

_QUERIES = load_queries("visapi.admin", "sql/rotation.sql")
BATCH = 100
"""Secrets of one statement; each has up to 64 KiB."""
_UNREADABLE_MAX = 20

_Value = tuple[str, str, bytes, bytes]


class Resealed(msgspec.Struct):
    """The result of one command. `unreadable` names the first secrets that no key of the ring opens."""

    count: int = 0
    changed_meanwhile: int = 0
    unreadable_count: int = 0
    unreadable: list[str] = []


async def reseal(owner_url: str, keys: Keyring, random: Callable[[int], bytes]) -> Resealed:
    """Seal every secret under the key that is used now. `random` makes nonces. Raises `Fault`."""
    done, key = Resealed(), keys.at(datetime.now(UTC))
    after = ("", "")
    async with connection(owner_url) as owner:
        while rows := await owner.fetch(_QUERIES["next_sealed"], key.id, *after, BATCH):
            after = (rows[-1]["tenant"], rows[-1]["name"])
            values = _opened(rows, keys, done)
            fresh = [
                (
                    tenant,
                    name,
                    sealed,
                    seal(key.secret, value, tenant=tenant, name=name, nonce=random(NONCE_BYTES)),
                )
                for tenant, name, sealed, value in values
            ]
            await _replace(owner, fresh, key, done)
    return done


def _opened(rows: Sequence[Row], keys: Keyring, done: Resealed) -> list[_Value]:
    """Tenant, name, sealed value and value of the secrets that can be opened."""
    found: list[_Value] = []
    for row in rows:
        tenant, name, sealed = row["tenant"], row["name"], row["sealed"]
        try:
            value = unseal_with(keys, sealed, key_id=row["sealed_with"], tenant=tenant, name=name)
        except (UnsealError, Fault):
            done.unreadable_count += 1
            if len(done.unreadable) < _UNREADABLE_MAX:
                done.unreadable.append(f"{tenant}/{name}")
        else:
            found.append((tenant, name, sealed, value))
    return found


async def _replace(owner: Connection, fresh: Sequence[_Value], key: Key, done: Resealed) -> None:
    if not fresh:
        return
    changed: int = await owner.fetchval(_QUERIES["reseal"], *zip(*fresh, strict=True), key.id)
    done.count += changed
    done.changed_meanwhile += len(fresh) - changed
