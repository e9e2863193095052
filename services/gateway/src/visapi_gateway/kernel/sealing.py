"""The key that seals the secrets of tenants, of hooks and endpoints, and the credentials of accounts."""

from collections.abc import Callable

from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Key, Keyring
from visapi_common.core.sealing import NONCE_BYTES, seal


class SealingKey:
    """One key. Its `id` is stored beside each value that it sealed."""

    def __init__(self, key: Key, random: Callable[[int], bytes]) -> None:
        self.id = key.id
        self._key = key
        self._random = random

    def seal(self, value: bytes, *, tenant: str, name: str) -> bytes:
        """The value, sealed under a name of the tenant."""
        return seal(self._key.secret, value, tenant=tenant, name=name, nonce=self._random(NONCE_BYTES))


class SealingKeys:
    """The keys in `VISAPI_SEALING_KEY`. `sealed` names its values in refusals; `random` makes nonces."""

    def __init__(
        self, keys: Keyring | None, sealed: str, *, random: Callable[[int], bytes], clock: WallClock
    ) -> None:
        self._keys = keys
        self._sealed = sealed
        self._random = random
        self._clock = clock

    def current(self) -> SealingKey:
        """The key that seals now. Raises `ProblemError` 503 where the installation has none."""
        if self._keys is None:
            detail = f"{self._sealed} are not configured; set VISAPI_SEALING_KEY"
            raise ProblemError("unavailable", detail, status=503)
        return SealingKey(self._keys.at(self._clock.now()), self._random)
