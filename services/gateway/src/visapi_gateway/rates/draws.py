"""Takes one token from each of several buckets, immediately or after the next lease."""

import asyncio
from collections.abc import Callable, Sequence
from math import ceil
from typing import Generic

from visapi_common.core.errors import ProblemError, TransientFault
from visapi_gateway.kernel.api.rate_headers import STATE, StateItem, state_field
from visapi_gateway.rates.buckets import AnyBucket, Bucket, QuotaBucket, RateBucket

WAIT_S = 5.0
"""A request waits for a lease at most so long; leases are answered or given up sooner."""


Refused = Callable[[Bucket], None]
"""Counts a refusal."""


class Draw(Generic[AnyBucket]):
    """See the module's docstring. `want` leases tokens for a bucket soon, `monotonic` gives seconds."""

    __slots__ = ("_monotonic", "_refused", "_want", "buckets")

    def __init__(
        self,
        buckets: Sequence[AnyBucket],
        want: Callable[[AnyBucket], None],
        refused: Refused,
        monotonic: Callable[[], float],
    ) -> None:
        self.buckets = tuple(buckets)
        self._want = want
        self._refused = refused
        self._monotonic = monotonic

    def take(self) -> bool:
        """Take the tokens; returns False when one has to be leased first. Raises `ProblemError` 429."""
        now = self._monotonic()
        for bucket in self.buckets:
            if bucket.tokens < 1 or now >= bucket.lapses_at:
                self._look(now)
                return False
        for bucket in self.buckets:
            bucket.tokens -= 1
            if bucket.tokens <= bucket.low and bucket.ahead and now >= bucket.empty_until:
                self._want(bucket)
        return True

    async def wait(self) -> None:
        """Take the tokens, after as many leases as it needs. Raises `ProblemError` 429, and
        `TransientFault` where no lease comes in time.
        """
        until = self._monotonic() + WAIT_S
        try:
            while not self.take():
                now = self._monotonic()
                await _leased([one for one in self.buckets if one.is_short(now)], max(0.0, until - now))
        except BaseException:
            # Also when the request is cancelled: no bucket keeps more than it has a use for.
            for bucket in self.buckets:
                bucket.trim()
            raise

    def _look(self, now: float) -> None:
        """Lease the missing tokens. Raises `ProblemError` when nothing can be leased now."""
        short = [bucket for bucket in self.buckets if bucket.is_short(now)]
        for bucket in short:
            bucket.lapse(now)
        empty = [bucket for bucket in short if now < bucket.empty_until]
        if empty:
            self._refused(empty[0])
            raise refusal(empty, now)
        for bucket in short:
            self._want(bucket)


async def _leased(short: Sequence[Bucket], timeout_s: float) -> None:
    """Wait for the next lease of one of the buckets. Raises `TransientFault` when none arrives in time."""
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    for bucket in short:
        bucket.join(waiter)
    try:
        async with asyncio.timeout(timeout_s):
            await waiter
    except TimeoutError:
        raise TransientFault("rates cannot be checked now; try again", retry_after_s=1.0) from None
    finally:
        for bucket in short:
            bucket.leave()


def refusal(empty: Sequence[Bucket], now: float) -> ProblemError:
    """The problem of a request or a run for which the buckets have no token."""
    states: list[StateItem] = []
    details: list[str] = []
    quota = False
    for bucket in empty:
        if isinstance(bucket, RateBucket):
            states.append(StateItem(bucket.name, 0, max(1, ceil(bucket.empty_until - now))))
            details.append(_rate(bucket))
        elif isinstance(bucket, QuotaBucket):
            quota = True
            states.append(StateItem(bucket.name, 0, bucket.next_in_s(now)))
            details.append(_quota(bucket))
    wait_s = max(state.reset_s for state in states)
    headers = {"Retry-After": str(wait_s), STATE: state_field(states)}
    what = "the run was not accepted; start it" if quota else "send the request again"
    detail = f"{' and '.join(details)}; {what} after {wait_s:,} s"
    code = "run_quota_exceeded" if quota else "rate_limited"
    return ProblemError(code, detail, status=429, headers=headers)


def _rate(bucket: RateBucket) -> str:
    limit = bucket.limit
    return f"{_whose(bucket.name)} may send {limit.per_s:g} requests per second, {limit.burst:,} at once"


def _quota(bucket: QuotaBucket) -> str:
    whose = _whose(bucket.name.removesuffix(f"-{bucket.period}"))
    return f"{whose} may start {bucket.most:,} runs per {bucket.period} (UTC), and has"


def _whose(name: str) -> str:
    return f"the {name}" if name in ("key", "tenant") else f"all keys of the rate {name!r} together"
