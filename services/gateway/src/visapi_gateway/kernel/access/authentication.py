"""API keys in memory, so that authentication needs no query.

All keys are loaded at start, every `RELOAD_S`, and when NATS announces a change. A key ring that could not be
reloaded for `STALE_S` refuses every key: a revoked key must not stay valid because a store is away.
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
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.kernel.access.scopes import ALL, Principal

RELOAD_S = 5.0
STALE_S = 30.0
REST = 4.0
REST_MAX_S = 1.0
"""After a reload the ring rests for this multiple of its duration, up to a limit: a tenant that keeps making
keys must not keep every replica busy with the keys of all tenants.
"""


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


class KeySource(Protocol):
    async def all_keys(self) -> Sequence[StoredKey]: ...
    async def note_use(self, used: dict[str, datetime]) -> None: ...


class _Held(msgspec.Struct, frozen=True):
    stored: StoredKey
    principal: Principal


class KeyRing:
    """See the module's docstring."""

    def __init__(self, source: KeySource, pepper: bytes, clock: Clock) -> None:
        self._source = source
        self._pepper = pepper
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._used: dict[str, datetime] = {}
        self._loaded_at: float | None = None
        self._changed = asyncio.Event()
        self._log = get_logger("keys")

    async def load(self) -> None:
        """Read all keys. Raises `TransientFault`."""
        asked_at = self._clock.monotonic()
        self._held = {key.id: _Held(key, _principal(key)) for key in await self._source.all_keys()}
        self._loaded_at = asked_at

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
            await asyncio.sleep(min(REST_MAX_S, REST * (self._clock.monotonic() - began)))

    def authenticate(self, token: str) -> Principal:
        """The principal of a key. Raises `ProblemError` 401, the same for an unknown and for a wrong key, and
        403 for a key of a disabled tenant.
        """
        try:
            parsed = api_keys.parse(token)
        except ValueError:
            raise _refused("this is not a VisAPI key: its format or its checksum is wrong") from None
        if self._loaded_at is None or self._clock.monotonic() - self._loaded_at > STALE_S:
            raise TransientFault("API keys cannot be checked now; try again", retry_after_s=2.0)
        held = self._held.get(parsed.id)
        given = api_keys.hash_key(self._pepper, token)
        expected = held.stored.hash if held is not None else bytes(32)
        if not api_keys.hash_matches(expected, given) or held is None:
            raise _refused("the API key is not known; check it, or create another one")
        now = self._clock.now()
        _check_times(held.stored, now)
        if held.stored.tenant_disabled:
            raise _tenant_disabled(held.stored.tenant)
        self._used[parsed.id] = now
        return held.principal

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
