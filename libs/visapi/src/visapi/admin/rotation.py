"""Rotation of keys: the next ring of a secret, and the data that depends on earlier keys."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from visapi.admin.databases import connection
from visapi.findings import Finding, Level
from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import Fault
from visapi_common.core.keyrings import KEYS_MAX, Key, Keyring

_QUERIES = load_queries("visapi.admin", "sql/rotation.sql")
LINKS_LIVE = timedelta(days=7)
"""The longest life of a link to an artifact; tokens of bulk commands and cursors live shorter."""
SERVICES = {
    "key-pepper": "gateway",
    "link-secret": "gateway",
    "sealing-key": "gateway and notifier",
    "effect-secret": "orchestrator",
    "handle-secret": "orchestrator and notifier",
}
"""The services that have each ring, by the name of its file."""


_PASSWORD_FILE = re.compile(
    r"postgres-(gateway|orchestrator|notifier)-password"
    r"|nats-(gateway|orchestrator|pdf-worker|notifier|worker-[a-z0-9-]+)-password"
)


class RotationError(ValueError):
    """The ring cannot be changed so now; the message says why."""


def with_next(ring: Keyring, secret: bytes, since: datetime, now: datetime) -> Keyring:
    """The ring with one more key, which is used from `since`. Raises `RotationError`."""
    newest = ring.keys[0]
    if newest.since_ms > _ms(now):
        raise RotationError(
            f"the key {newest.id} is not used before {moment(newest)}; a rotation is under way"
        )
    if len(ring.keys) == KEYS_MAX:
        raise RotationError(f"the ring has {KEYS_MAX} keys, the most; drop earlier ones with --drop")
    return Keyring((Key(secret, _ms(since)), *ring.keys))


def without_earlier(ring: Keyring, now: datetime) -> Keyring:
    """The ring without the keys that were used before. Raises `RotationError` where there are none."""
    kept = ring.keys[: ring.keys.index(ring.at(now)) + 1]
    if len(kept) == len(ring.keys):
        raise RotationError("the ring has no key that was used before")
    return Keyring(kept)


def password_user(name: str) -> str | None:
    """Whose password a file of `visapi admin secrets` holds that can be rotated like a key: a service's, or
    that of a tenant's workers. None for other files.
    """
    found = _PASSWORD_FILE.fullmatch(name)
    return None if found is None else found[1] or found[2]


def passwords_with_next(passwords: Sequence[str], fresh: str) -> list[str]:
    """The new password, and the one before it, which stays valid meanwhile. Raises `RotationError`."""
    if len(passwords) > 1:
        raise RotationError("the file holds an earlier password still; a rotation is under way")
    return [fresh, *passwords]


def passwords_without_earlier(passwords: Sequence[str]) -> list[str]:
    """Raises `RotationError` where there is only one."""
    if len(passwords) == 1:
        raise RotationError("the file holds one password; there is no earlier one")
    return [passwords[0]]


def moment(key: Key) -> str:
    """The time from which a key is used."""
    return f"{datetime.fromtimestamp(key.since_ms / 1000).astimezone():%Y-%m-%d %H:%M:%S %z}"


async def examine_rings(owner_url: str | None, rings: Mapping[str, Keyring], now: datetime) -> list[Finding]:
    """The data that depends on earlier keys, one line for each ring, by the name of its file. A warning says
    that an earlier key is still needed, a failure that a needed key is not in the ring. Raises nothing.
    """
    found = {name: _by_time(name, ring, now) for name, ring in rings.items()}
    left = [name for name, finding in found.items() if finding is None]
    if owner_url is None:
        found |= {
            name: Finding(Level.WARN, name, "not looked at: VISAPI_OWNER_URL is not set") for name in left
        }
    elif left:
        try:
            async with connection(owner_url) as owner:
                for name in left:
                    found[name] = await _by_rows(owner, name, rings[name], now)
        except Fault as error:
            found |= {name: found[name] or Finding(Level.FAIL, name, str(error)) for name in left}
    return [finding for finding in found.values() if finding is not None]


def _by_time(name: str, ring: Keyring, now: datetime) -> Finding | None:
    """The verdict from the times of a ring alone; None when rows have to be read."""
    used = ring.at(now)
    if ring.keys[0] is not used:
        text = f"key {ring.keys[0].id} is used from {moment(ring.keys[0])}; until then {used.id}"
        return Finding(Level.WARN, name, text)
    if name != "link-secret":
        return None
    ends_ms = used.since_ms + _ms_of(LINKS_LIVE)
    if len(ring.keys) == 1 or _ms(now) > ends_ms:
        return _free(name, ring, used)
    ends = datetime.fromtimestamp(ends_ms / 1000).astimezone()
    return Finding(Level.WARN, name, f"links under earlier keys open until {ends:%Y-%m-%d %H:%M:%S %z}")


async def _by_rows(owner: Connection, name: str, ring: Keyring, now: datetime) -> Finding:
    used = ring.at(now)
    match name:
        case "key-pepper":
            return _of_rows(name, ring, used, await owner.fetch(_QUERIES["keys_by_pepper"]), "API keys")
        case "sealing-key":
            return _of_rows(name, ring, used, await owner.fetch(_QUERIES["secrets_by_key"]), "secrets")
        case _:
            return await _of_runs(owner, name, ring, used)


class _Held(msgspec.Struct, frozen=True):
    key: str | None
    count: int
    some: list[str]


def _of_rows(name: str, ring: Keyring, used: Key, rows: Any, what: str) -> Finding:
    held = [_Held(**row) for row in rows]
    lost = [each for each in held if ring.lacks(each.key)]
    if lost:
        text = ", ".join(f"{each.count} {what} need key {each.key} (such as {each.some[0]})" for each in lost)
        return Finding(Level.FAIL, name, f"{text}, which is not here; put it back")
    earlier = [each for each in held if each.key != used.id]
    if len(ring.keys) == 1 or not earlier:
        return _free(name, ring, used)
    some = ", ".join([one for each in earlier for one in each.some][:5])
    count = sum(each.count for each in earlier)
    return Finding(Level.WARN, name, f"{count} {what} depend on earlier keys: {some}{', …' * (count > 5)}")


async def _of_runs(owner: Connection, name: str, ring: Keyring, used: Key) -> Finding:
    count: int = await owner.fetchval(_QUERIES["runs_before"], used.since_ms / 1000)
    if not count:
        return _free(name, ring, used)
    if len(ring.keys) == 1:
        text = f"{count} open runs are older than key {used.id}, and theirs is not here; put it back"
        return Finding(Level.FAIL, name, text)
    return Finding(Level.WARN, name, f"{count} open runs depend on earlier keys, until they end")


def _free(name: str, ring: Keyring, used: Key) -> Finding:
    earlier = ring.keys[ring.keys.index(used) + 1 :]
    text = f"key {used.id} is used"
    if earlier:
        text += f"; nothing depends on {', '.join(key.id for key in earlier)}: it can be dropped"
    return Finding(Level.OK, name, text)


def _ms(moment_: datetime) -> int:
    return int(moment_.timestamp() * 1000)


def _ms_of(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
