"""The tokens that this gateway holds: of one rate, or of one quota of runs. A request or a run takes one."""

import asyncio
from collections import deque
from datetime import date
from math import ceil, inf
from typing import ClassVar, Literal, NamedTuple, TypeVar

from visapi_common.core.errors import Fault
from visapi_gateway.kernel.api.rate_headers import PolicyItem, StateItem
from visapi_gateway.rates.rules.gcra import Lease, Limit, lend
from visapi_gateway.rates.rules.policies import SECONDS, Period, kind_and_id, quota_slice, rate_slice

AGAIN_S = 0.02
"""The shortest time until an empty rate is asked for again: a flood is refused from memory meanwhile."""
QUOTA_AGAIN_S = 5.0
"""Likewise for a quota, to which another gateway may return unused runs."""
RETURN_S = 5.0
"""The time between two returns of unused runs."""
_SETTLED_S = 2 * RETURN_S + 1.0
"""A quota that has been short for so long is used up: no gateway holds runs of it that it does not use."""


class Bucket:
    """`tokens` are held; `ahead` is the number to lease beyond those that requests wait for. A subclass says
    what its tokens are of (`tokens_of`).
    """

    tokens_of: ClassVar[Literal["rate", "quota"]]

    __slots__ = (
        "_waiters",
        "ahead",
        "asked",
        "empty_until",
        "lapses_at",
        "low",
        "name",
        "subject",
        "tenant",
        "tokens",
        "waiting",
    )

    def __init__(self, tenant: str, subject: str, name: str) -> None:
        self.tenant = tenant
        self.subject = subject
        self.name = name
        self.tokens = 0
        self.ahead = 0
        self.low = 0
        self.empty_until = 0.0
        """Until then nothing can be leased."""
        self.lapses_at = inf
        """When the tokens lapse."""
        self.asked = False
        """Whether the bucket stands in the queue for the next lease."""
        self.waiting = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    def is_short(self, now: float) -> bool:
        return self.tokens < 1 or now >= self.lapses_at

    def wanted(self) -> int:
        """Tokens to lease."""
        return max(1, self.waiting + self.ahead - self.tokens)

    def labels(self) -> tuple[str, str]:
        """The labels of the bucket's metrics: `rate` or `quota`, and the kind of its subject."""
        return self.tokens_of, kind_and_id(self.subject)[0]

    def lapse(self, now: float) -> None:
        """Drop the tokens where their time is over."""
        if now >= self.lapses_at:
            self.tokens, self.lapses_at, self.empty_until = 0, inf, 0.0

    def join(self, waiter: asyncio.Future[None]) -> None:
        """Wake `waiter` after the next lease."""
        self._waiters.append(waiter)
        self.waiting += 1

    def leave(self) -> None:
        """A request that joined no longer waits."""
        self.waiting -= 1

    def trim(self) -> None:
        """Called when a request that joined leaves without a token."""

    def wake(self, fault: Fault | None = None) -> None:
        """Wake all waiting requests in order, or give them the reason why nothing can be leased."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if waiter.done():
                continue
            if fault is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(fault)


AnyBucket = TypeVar("AnyBucket", bound=Bucket)


class RateBucket(Bucket):
    """The tokens of a rate. `shared` is the number of unleased tokens at `shared_at`; `owed` are tokens that
    were lent without the database and are deducted from the next leases.
    """

    tokens_of = "rate"
    __slots__ = ("_alone", "limit", "owed", "shared", "shared_at")

    def __init__(self, tenant: str, subject: str, name: str, limit: Limit) -> None:
        super().__init__(tenant, subject, name)
        self._alone: float | None = None
        self.owed = 0
        self.change(limit)

    def change(self, limit: Limit) -> None:
        """Another limit applies."""
        self.limit = limit
        self.ahead = rate_slice(limit)
        self.low = self.ahead // 2
        self.tokens = min(self.tokens, self.ahead)
        self.empty_until = 0.0
        self.shared, self.shared_at = float(limit.burst), 0.0

    def wanted(self) -> int:
        return min(self.limit.burst, super().wanted() + self.owed)

    def granted(self, lease: Lease, wanted: int, now: float) -> None:
        """Add a lease."""
        paid = min(self.owed, lease.granted)
        self.owed -= paid
        self.tokens += lease.granted - paid
        self.trim()
        self.shared, self.shared_at = self.limit.burst - lease.used, now
        if lease.granted < wanted:
            self.empty_until = now + max(AGAIN_S, lease.next_in_s(self.limit))

    def trim(self) -> None:
        """Hold at most the tokens leased ahead and waited for; else a client that abandons its requests would
        collect tokens beyond the rate.
        """
        self.tokens = min(self.tokens, self.ahead + self.waiting)

    def lend_alone(self, share: float, now: float) -> None:
        """Lease from this gateway's own share of the rate, while the database does not answer."""
        own = Limit(self.limit.per_s * share, max(1, int(self.limit.burst * share)))
        wanted = super().wanted()
        lease, self._alone = lend(own, self._alone, now, wanted)
        self.tokens += lease.granted
        self.owed = min(self.limit.burst, self.owed + lease.granted)
        self.shared, self.shared_at = 0.0, now
        if lease.granted < wanted:
            self.empty_until = now + max(AGAIN_S, lease.next_in_s(own))

    def policy(self) -> PolicyItem:
        return PolicyItem(self.name, self.limit.burst, max(1, ceil(self.limit.window_s)))

    def state(self, now: float) -> StateItem:
        limit = self.limit
        back = (now - self.shared_at) * limit.per_s
        left = min(float(limit.burst), self.tokens + max(0.0, min(self.shared + back, limit.burst)))
        return StateItem(self.name, int(left), max(1, ceil((limit.burst - left) * limit.step_s)))


class QuotaLease(NamedTuple):
    """Granted runs. `left` is the number of unleased runs in the period that began on `began` (UTC) and ends
    in `ends_in_s` seconds.
    """

    granted: int
    left: int
    began: date
    ends_in_s: float


class QuotaBucket(Bucket):
    """The tokens of a quota of runs. They lapse with their period."""

    tokens_of = "quota"
    __slots__ = ("_had", "_short_since", "began", "ends_at", "left", "most", "period")

    def __init__(self, tenant: str, subject: str, name: str, period: Period, most: int) -> None:
        super().__init__(tenant, subject, f"{name}-{period}")
        self.period: Period = period
        self.began: date | None = None
        self.ends_at = 0.0
        self._had = 0
        """Tokens that were held after the latest return, and those that were leased since."""
        self._short_since: float | None = None
        """Since then every lease granted less than was wanted."""
        self.change(most)

    def change(self, most: int) -> None:
        """Apply another quota. Held runs count as used, so they stay."""
        self.most = self.left = most
        self.ahead = self.low = 0
        self.empty_until = 0.0

    def granted(self, lease: QuotaLease, wanted: int, asked_at: float) -> None:
        """Add a lease; times count from before the query, so that no token outlives its period."""
        if lease.began != self.began:
            self.tokens = self._had = 0
        self.tokens += lease.granted
        self._had += lease.granted
        self.began, self.left = lease.began, lease.left
        self.ends_at = self.lapses_at = asked_at + lease.ends_in_s
        self.ahead = quota_slice(lease.left)
        self.low = self.ahead // 2
        if lease.granted == wanted:
            self._short_since = None
            return
        self.empty_until = min(self.ends_at, asked_at + QUOTA_AGAIN_S)
        if self._short_since is None:
            self._short_since = asked_at

    def lapse(self, now: float) -> None:
        if now >= self.lapses_at:
            self.ahead = self.low = 0
            self.left = self.most
            # What is given back for the period that is over counts for none.
            self.began = self._short_since = None
            self._had = 0
        super().lapse(now)

    def take_idle(self, now: float) -> int:
        """Remove and return the tokens beyond as many as were taken since the previous return. Until the next
        lease tells what is left, no more than that is leased ahead.
        """
        self.lapse(now)
        taken = max(0, self._had - self.tokens)
        idle = 0 if self.waiting else max(0, self.tokens - taken)
        self.tokens -= idle
        self._had = self.tokens
        if idle:
            self.ahead = min(self.ahead, taken)
            self.low = self.ahead // 2
        return idle

    def take_all(self, now: float) -> int:
        """All tokens, out of the bucket."""
        self.lapse(now)
        held, self.tokens = self.tokens, 0
        return held

    def next_in_s(self, now: float) -> int:
        """Seconds until another run may be admitted: first until other gateways have returned the runs that
        they do not use, then until the period ends.
        """
        ends_in_s = max(1, ceil(self.ends_at - now))
        if self._short_since is None or not quota_slice(self.most):
            return ends_in_s
        settled_in_s = ceil(self._short_since + _SETTLED_S - now)
        return min(ends_in_s, settled_in_s) if settled_in_s > 0 else ends_in_s

    def policy(self) -> PolicyItem:
        return PolicyItem(self.name, self.most, SECONDS[self.period], "runs")

    def state(self, now: float) -> StateItem:
        reset_s = max(1, ceil(self.ends_at - now)) if self.began else SECONDS[self.period]
        return StateItem(self.name, max(0, min(self.most, self.left + self.tokens)), reset_s)
