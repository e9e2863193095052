"""API keys in memory, so that authentication needs no query.

All keys are loaded at start and every `RELOAD_S`; those that NATS announces as changed are read at once. A
key ring that could not be reloaded for `STALE_S` refuses every key: a revoked key must not stay valid because
a store is away. Whether a key is valid yet or still is judged by the database's clock.

A key is stored as a hash under a pepper. One that was checked under an earlier pepper is hashed anew under
the pepper that is used now, so that the earlier one can be dropped.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from visapi_common.core import api_keys
from visapi_common.core.clocks import Clock
from visapi_common.core.errors import TransientFault
from visapi_common.core.failures import failure_text
from visapi_common.core.keyrings import KEYS_MAX, Keyring, MissingKeyError
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.kernel.access.key_upkeep import KeyUpkeep
from visapi_gateway.kernel.access.scopes import Principal
from visapi_gateway.kernel.access.stored_keys import (
    NOBODY,
    HeldKey,
    KeysAt,
    KeySource,
    NewHash,
    StoredKey,
    address_refused,
    refused,
    unknown_key,
)

RELOAD_S = 4.0
STALE_S = 10.0
"""The longest time for which keys are believed without being read again."""
REST = 4.0
REST_OF_SOME = 1.0
REST_MAX_S = 1.0
"""After a read of all keys, or of some, the ring rests for this multiple of its duration, up to a limit: a
tenant that keeps making keys must not keep every replica busy with them.
"""
CHANGED_MAX = 1000
"""Where more keys have changed at once, all are read."""

EndStream = Callable[[], None]


class KeyRing:
    """See the module's docstring."""

    def __init__(self, source: KeySource, peppers: Keyring, clock: Clock) -> None:
        self._source = source
        self._peppers = peppers
        self._clock = clock
        self._held: dict[str, HeldKey] = {}
        self._upkeep = KeyUpkeep(source)
        self._lacking = 0
        self._loaded_at: float | None = None
        self._read_at = (datetime.min.replace(tzinfo=UTC), 0.0)
        """A time of the database, and the monotonic time that it stands for."""
        self._changed: set[str] = set()
        self._all_changed = False
        self._doubted: set[str] = set()
        """Keys that have changed for certain, and were not read since."""
        self._wake = asyncio.Event()
        self._reading = asyncio.Lock()
        self._streams: dict[str, dict[EndStream, Principal]] = {}
        self._log = get_logger("keys")

    async def load(self) -> None:
        """Read all keys. Raises `TransientFault`."""
        async with self._reading:
            asked_at, doubted = self._clock.monotonic(), set(self._doubted)
            found = await self._source.all_keys()
            self._held = self._holding(found, asked_at)
            self._loaded_at = asked_at
            self._doubted -= doubted
        self._report_lacking()
        self._end_streams()

    async def refresh(self, keys: Sequence[str]) -> None:
        """Read some keys anew. Raises `TransientFault`."""
        async with self._reading:
            asked_at, doubted = self._clock.monotonic(), self._doubted.intersection(keys)
            held = self._holding(await self._source.some_keys(keys), asked_at)
            for key in keys:
                self._held.pop(key, None)
            self._held |= held
            self._doubted -= doubted
        self._end_streams()

    def reload_soon(self) -> None:
        """Read all keys, because any may have changed."""
        self._all_changed = True
        self._wake.set()

    def key_changed(self, key: str) -> None:
        """Read a key, because it has changed somewhere."""
        if len(self._changed) < CHANGED_MAX and len(key) == api_keys.ID_LENGTH:
            self._changed.add(key)
        else:
            self._all_changed = True
        self._wake.set()

    def doubt(self, key: str) -> None:
        """Refuse a key with 503 until it is read, because it has changed and could not be read."""
        self._doubted.add(key)
        self.key_changed(key)

    async def keep_fresh(self) -> None:
        """Read keys at each change and every `RELOAD_S`, and store their last uses, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(RELOAD_S):
                    await self._wake.wait()
            except TimeoutError:
                self._all_changed = True
            began = self._clock.monotonic()
            rest = await self._read_changed(began)
            await self._upkeep.store(began, self._time_of)
            await asyncio.sleep(min(REST_MAX_S, rest * (self._clock.monotonic() - began)))

    def authenticate(self, token: str, address: str = "") -> Principal:
        """The principal of a key that is used from an address. Raises `ProblemError` 401, the same for an
        unknown and for a wrong key, and 403 for a key of a disabled tenant or another address;
        `TransientFault` when the pepper of the hash is missing here.
        """
        now = self._clock.monotonic()
        held = self._found(token, now)
        held.check(now)
        principal = held.principal
        if principal.limits.by_address and not principal.limits.admit(address):
            raise address_refused(address)
        self._upkeep.used(principal.key, now, address)
        return principal

    def owner(self, token: str) -> StoredKey:
        """The key that a token is, whether it is valid or not. Raises as `authenticate`."""
        return self._found(token, self._clock.monotonic()).stored

    def while_valid(self, who: Principal, end: EndStream) -> Callable[[], None]:
        """Call `end` as soon as the key is no longer valid, or may do something else than `who`, unless the
        returned function was called before.
        """
        ends = self._streams.setdefault(who.key, {})
        ends[end] = who

        def forget() -> None:
            ends.pop(end, None)
            if not ends and self._streams.get(who.key) is ends:
                del self._streams[who.key]

        return forget

    def _found(self, token: str, now: float) -> HeldKey:
        try:
            parsed = api_keys.parse(token)
        except ValueError:
            raise refused("this is not a VisAPI key: its format or its checksum is wrong") from None
        if self._is_stale(now) or parsed.id in self._doubted:
            raise TransientFault("API keys cannot be checked now; try again", retry_after_s=2.0)
        held = self._held.get(parsed.id)
        self._check_hash(NOBODY if held is None else held.stored, token)
        if held is None:
            raise unknown_key()
        return held

    def _is_stale(self, now: float) -> bool:
        return self._loaded_at is None or now - self._loaded_at > STALE_S

    def _check_hash(self, stored: StoredKey, token: str) -> None:
        """Raises `ProblemError` where no pepper makes the stored hash of the token."""
        used = self._peppers.at(self._clock.now())
        for pepper in self._peppers.to_try(stored.pepper):
            given = api_keys.hash_key(pepper.secret, token)
            if not api_keys.hash_matches(stored.hash, given):
                continue
            if (pepper is not used or stored.pepper != used.id) and not self._upkeep.is_rehashed(stored.id):
                fresh = api_keys.hash_key(used.secret, token)
                self._upkeep.rehashed(NewHash(stored.id, stored.hash, fresh, used.id))
            return
        if self._peppers.lacks(stored.pepper):
            raise MissingKeyError(f"the pepper {stored.pepper} of the API key is not at this gateway")
        raise unknown_key()

    def _holding(self, found: KeysAt, asked_at: float) -> dict[str, HeldKey]:
        """The keys that were read. One that cannot be understood is refused, and affects no other."""
        self._read_at = (found.at, asked_at)
        holding: dict[str, HeldKey] = {}
        for key in found.keys:
            try:
                holding[key.id] = HeldKey(key, found.at, asked_at, self._held.get(key.id))
            except ValueError as wrong:
                self._log.error("key_not_understood", key=key.id, tenant=key.tenant, detail=str(wrong))
        return holding

    async def _read_changed(self, now: float) -> float:
        """Read what has changed, or all keys when it is time; returns for how long to rest, in durations of
        the read. Never raises: it is tried again soon, and keys that were read too long ago are refused.
        """
        self._wake.clear()
        changed, self._changed = self._changed, set()
        everything, self._all_changed = self._all_changed, False
        try:
            if everything or self._loaded_at is None or now - self._loaded_at >= RELOAD_S:
                await self.load()
                return REST
            if changed:
                await self.refresh(sorted(changed))
        except Exception as error:  # noqa: BLE001 (see above)
            self._log.warning("keys_not_read", detail=failure_text(error))
            self._end_streams()
            self.reload_soon()
            await asyncio.sleep(0.5)
        return REST_OF_SOME

    def _end_streams(self) -> None:
        """End the streams of keys that are no longer valid, or that have other scopes or limits now."""
        now = self._clock.monotonic()
        stale = self._is_stale(now)
        for key, ends in list(self._streams.items()):
            held = self._held.get(key)
            valid = not stale and held is not None and held.is_valid(now)
            for end, who in list(ends.items()):
                if not valid or (held is not None and held.principal != who):
                    end()

    def _time_of(self, moment: float) -> datetime:
        at, asked_at = self._read_at
        return at + timedelta(seconds=moment - asked_at)

    def _report_lacking(self) -> None:
        """Say once how many keys this gateway cannot check for want of their pepper."""
        peppers = [held.stored.pepper for held in self._held.values()]
        lacking = sorted({pepper for pepper in peppers if pepper and self._peppers.lacks(pepper)})
        count = sum(pepper in lacking for pepper in peppers)
        if count and count != self._lacking:
            detail = "put them back into VISAPI_KEY_PEPPER"
            self._log.error("peppers_missing", keys=count, peppers=lacking[:KEYS_MAX], detail=detail)
        self._lacking = count
