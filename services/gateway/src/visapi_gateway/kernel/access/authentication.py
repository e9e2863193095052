"""API keys in memory, so that authentication needs no query.

All keys are loaded at start, every `RELOAD_S`, and when NATS announces a change. A key ring that could not be
reloaded for `STALE_S` refuses every key: a revoked key must not stay valid because a store is away.

A key is stored as a hash under a pepper. One that was checked under an earlier pepper is hashed anew under
the pepper that is used now, so that the earlier one can be dropped.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from visapi_common.core import api_keys
from visapi_common.core.clocks import Clock
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.core.failures import failure_kind, failure_text
from visapi_common.core.keyrings import KEYS_MAX, Keyring, MissingKeyError
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.kernel.access.scopes import ALL, Principal

RELOAD_S = 5.0
STALE_S = 30.0
REST = 4.0
REST_MAX_S = 1.0
"""After a reload the ring rests for this multiple of its duration, up to a limit: a tenant that keeps making
keys must not keep every replica busy with the keys of all tenants.
"""
REHASH_MAX = 1000
"""Keys that are hashed anew by one statement, after a reload."""


class StoredKey(msgspec.Struct, frozen=True):
    id: str
    tenant: str
    kind: str
    hash: bytes
    scopes: list[str]
    not_before: datetime | None
    expires_at: datetime | None
    disabled_at: datetime | None
    tenant_disabled: bool = False
    pepper: str | None = None
    """The id of the pepper of the hash; None for a key from before ids."""


class NewHash(msgspec.Struct, frozen=True):
    """A key hashed under another pepper. `before` is the hash that it replaces."""

    id: str
    before: bytes
    hash: bytes
    pepper: str


class KeySource(Protocol):
    async def all_keys(self) -> Sequence[StoredKey]: ...
    async def note_use(self, used: dict[str, datetime]) -> None: ...
    async def rehash(self, hashes: Sequence[NewHash]) -> None: ...


class _Held(msgspec.Struct, frozen=True):
    stored: StoredKey
    principal: Principal


class KeyRing:
    """See the module's docstring."""

    def __init__(self, source: KeySource, peppers: Keyring, clock: Clock) -> None:
        self._source = source
        self._peppers = peppers
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._used: dict[str, datetime] = {}
        self._rehashed: dict[str, NewHash] = {}
        self._lacking = 0
        self._loaded_at: float | None = None
        self._changed = asyncio.Event()
        self._log = get_logger("keys")

    async def load(self) -> None:
        """Read all keys. Raises `TransientFault`."""
        asked_at = self._clock.monotonic()
        self._held = {key.id: _Held(key, _principal(key)) for key in await self._source.all_keys()}
        self._loaded_at = asked_at
        self._report_lacking()

    def reload_soon(self) -> None:
        """Reload, because a key has changed somewhere."""
        self._changed.set()

    async def keep_fresh(self) -> None:
        """Reload at each change and every `RELOAD_S`, and store the last uses of keys, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(RELOAD_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            began = self._clock.monotonic()
            try:
                await self.load()
            except Exception as error:  # noqa: BLE001 (keys are reloaded soon; stale keys are refused)
                self._log.warning("keys_not_read", detail=failure_text(error))
                await asyncio.sleep(0.5)
            used, self._used = self._used, {}
            await self._store_use(list(used.items()))
            await self._store_rehashed()
            await asyncio.sleep(min(REST_MAX_S, REST * (self._clock.monotonic() - began)))

    def authenticate(self, token: str) -> Principal:
        """The principal of a key. Raises `ProblemError` 401, the same for an unknown and for a wrong key, and
        403 for a key of a disabled tenant; `TransientFault` when the pepper of the hash is missing here.
        """
        try:
            parsed = api_keys.parse(token)
        except ValueError:
            raise _refused("this is not a VisAPI key: its format or its checksum is wrong") from None
        if self._loaded_at is None or self._clock.monotonic() - self._loaded_at > STALE_S:
            raise TransientFault("API keys cannot be checked now; try again", retry_after_s=2.0)
        held = self._held.get(parsed.id)
        now = self._clock.now()
        self._check_hash(held, token, now)
        if held is None:
            raise _refused(_UNKNOWN)
        _check_times(held.stored, now)
        if held.stored.tenant_disabled:
            raise _tenant_disabled(held.stored.tenant)
        self._used[parsed.id] = now
        return held.principal

    def _check_hash(self, held: _Held | None, token: str, now: datetime) -> None:
        """Raises `ProblemError` where no pepper makes the stored hash of the token."""
        stored = _NOBODY if held is None else held.stored
        used = self._peppers.at(now)
        for pepper in self._peppers.to_try(stored.pepper):
            given = api_keys.hash_key(pepper.secret, token)
            if not api_keys.hash_matches(stored.hash, given):
                continue
            if (pepper is not used or stored.pepper != used.id) and stored.id not in self._rehashed:
                fresh = api_keys.hash_key(used.secret, token)
                self._rehashed[stored.id] = NewHash(stored.id, stored.hash, fresh, used.id)
            return
        if self._peppers.lacks(stored.pepper):
            raise MissingKeyError(f"the pepper {stored.pepper} of the API key is not at this gateway")
        raise _refused(_UNKNOWN)

    def _report_lacking(self) -> None:
        """Say once how many keys this gateway cannot check for want of their pepper."""
        peppers = [held.stored.pepper for held in self._held.values()]
        lacking = sorted({pepper for pepper in peppers if pepper and self._peppers.lacks(pepper)})
        count = sum(pepper in lacking for pepper in peppers)
        if count and count != self._lacking:
            detail = "put them back into VISAPI_KEY_PEPPER"
            self._log.error("peppers_missing", keys=count, peppers=lacking[:KEYS_MAX], detail=detail)
        self._lacking = count

    async def _store_rehashed(self) -> None:
        """Store the hashes under the current pepper. Never raises: a hash that is not stored is made again at
        the next use of its key.
        """
        some, self._rehashed = list(self._rehashed.values())[:REHASH_MAX], {}
        if not some:
            return
        try:
            await self._source.rehash(some)
        except Exception as error:  # noqa: BLE001 (see above)
            self._log.warning("keys_not_rehashed", keys=len(some), detail=failure_text(error))

    async def _store_use(self, used: Sequence[tuple[str, datetime]]) -> None:
        """Store the last uses of keys. Never raises: a use that cannot be stored affects no other key, and
        while the store is away uses wait for the next attempt.
        """
        if not used:
            return
        half = len(used) // 2
        try:
            await self._source.note_use(dict(used))
        except Exception as error:  # noqa: BLE001 (see above)
            self._log.warning("key_use_not_stored", keys=len(used), detail=failure_text(error))
            if failure_kind(error) != "contents":
                self._used = dict(used) | self._used
            elif half:
                await self._store_use(used[:half])
                await self._store_use(used[half:])


_UNKNOWN = "the API key is not known; check it, or create another one"
_NOBODY = StoredKey("", "", "live", bytes(32), [], None, None, None)
"""The row of a key that does not exist; no token has its hash."""


def _principal(key: StoredKey) -> Principal:
    scopes = frozenset([ALL]) if key.kind == "admin" else frozenset(key.scopes)
    return Principal(key=key.id, tenant=key.tenant, kind=key.kind, scopes=scopes)


def _check_times(key: StoredKey, now: datetime) -> None:
    if key.disabled_at is not None and key.disabled_at <= now:
        raise _refused("the API key was revoked; use another one", code="key_expired")
    if key.expires_at is not None and key.expires_at <= now:
        raise _refused("the API key has expired; use its successor", code="key_expired")
    if key.not_before is not None and now < key.not_before:
        raise _refused("the API key is not valid yet", code="key_expired")


def _tenant_disabled(tenant: str) -> ProblemError:
    detail = f"the tenant {tenant} is disabled; whoever operates VisAPI can enable it again"
    return ProblemError("tenant_disabled", detail, status=403)


def _refused(detail: str, *, code: str = "unauthenticated") -> ProblemError:
    challenge = {"WWW-Authenticate": 'Bearer realm="visapi", error="invalid_token"'}
    return ProblemError(code, detail, status=401, headers=challenge)


def missing_key() -> ProblemError:
    """The problem of a request without a key."""
    detail = "send an API key as 'Authorization: Bearer visapi_…' or as 'X-API-Key: visapi_…'"
    return ProblemError(
        "unauthenticated", detail, status=401, headers={"WWW-Authenticate": 'Bearer realm="visapi"'}
    )
