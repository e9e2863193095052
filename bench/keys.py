"""The cost of checking a key in the gateway, of its rates, and of the fields that tell of them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import cycle

from kit.fakes.gateway.keys import FakeKeys
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.adapters.clock import SystemClock
from visapi_common.core.api_keys import hash_key, mint, parse
from visapi_common.core.keyrings import Keyring
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.setup import open_metrics
from visapi_gateway.kernel.access.authentication import KeyRing
from visapi_gateway.kernel.access.stored_keys import StoredKey
from visapi_gateway.rates.allowances import KeyAllowances, Parts
from visapi_gateway.rates.buckets import Bucket
from visapi_gateway.rates.leases import Leases
from visapi_gateway.rates.rules.gcra import Limit
from visapi_gateway.rates.rules.policies import Defaults

KEYS = 1000
_SECONDS = 0.5
_PEPPER = bytes(range(32))
_NEVER_USED_UP = 1 << 40
_ADDRESS = "198.51.100.7"


def _stored(token: str, tenant: int) -> StoredKey:
    return StoredKey(
        parse(token).id,
        f"tenant-{tenant}",
        "live",
        hash_key(_PEPPER, token),
        ["*"],
        not_before=None,
        expires_at=None,
        disabled_at=None,
        pepper=Keyring.of(_PEPPER).keys[0].id,
    )


def key_check_us() -> float:
    """Microseconds to authenticate a key."""
    ring, tokens = _ring()
    return _mean_us(lambda: ring.authenticate(next(tokens), _ADDRESS))


def rated_check_us() -> float:
    """Microseconds to authenticate a key, take from its rates, and write the fields that tell of them."""
    ring, tokens = _ring()
    allowances = _allowances()

    def check() -> None:
        allowance = allowances.of(ring.authenticate(next(tokens), _ADDRESS))
        if not allowance.take():
            for bucket in allowance.requests.buckets:
                bucket.tokens = _NEVER_USED_UP
            allowance.take()
        allowance.headers(with_quotas=False)

    return _mean_us(check)


def _ring() -> tuple[KeyRing, "cycle[str]"]:
    """A thousand keys of a hundred tenants."""
    tokens = [mint("live", number, number) for number in range(1, KEYS + 1)]
    stored = FakeKeys(GatewayTables(), *(_stored(token, n % 100) for n, token in enumerate(tokens)))
    ring = KeyRing(stored, Keyring.of(_PEPPER), SystemClock())
    asyncio.run(ring.load())
    return ring, cycle(tokens)


def _allowances() -> KeyAllowances:
    """Their leases are not run: the buckets are filled by hand."""
    metrics, monotonic = open_metrics(), time.monotonic

    async def lend(_: Sequence[Bucket]) -> None: ...

    def alone(_: Bucket) -> None: ...

    isolation = Isolation("rates", metrics)
    parts = Parts(
        Leases(lend, alone, isolation, monotonic), Leases(lend, alone, isolation, monotonic), alone, monotonic
    )
    return KeyAllowances(Defaults(Limit(200, 1000), Limit(500, 2000), 0, 0), parts)


def _mean_us(work: Callable[[], object]) -> float:
    for _ in range(KEYS):
        work()
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        for _ in range(100):
            work()
        done += 100
    return (time.perf_counter() - began) / done * 1e6
