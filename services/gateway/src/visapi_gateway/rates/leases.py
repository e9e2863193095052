"""Leases of tokens: buckets that run low lease tokens from the database, many buckets in one statement.

No request is a write. A bucket joins the queue when its tokens run low; a request that needs a token earlier
waits for the statement. Tenants take turns, so that the keys of one tenant delay no other tenant. While the
database does not answer, each bucket uses this gateway's own share of its limit, or lends nothing.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic

from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.rates.buckets import AnyBucket

BUCKETS_MAX = 256
"""Buckets in one statement."""
PACE_S = 0.01
"""Between the beginnings of two statements."""
ALONE_S = 1.0
"""After a failure the database is asked again so much later."""


class Leases(Generic[AnyBucket]):
    """See the module's docstring. `lend` fills buckets from the database, `alone` fills one without."""

    def __init__(
        self,
        lend: Callable[[Sequence[AnyBucket]], Awaitable[None]],
        alone: Callable[[AnyBucket], None],
        isolation: Isolation,
        monotonic: Callable[[], float],
    ) -> None:
        self._lend = lend
        self._alone = alone
        self._isolation = isolation
        self._monotonic = monotonic
        self._queues: dict[str, deque[AnyBucket]] = {}
        self._waiting = asyncio.Event()
        self._alone_until = 0.0
        self._log = get_logger("rates")

    def want(self, bucket: AnyBucket) -> None:
        """Lease tokens for the bucket soon."""
        if bucket.asked:
            return
        bucket.asked = True
        self._queues.setdefault(bucket.tenant, deque()).append(bucket)
        self._waiting.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._waiting.wait()
            began = self._monotonic()
            await self.once()
            await asyncio.sleep(max(0.0, began + PACE_S - self._monotonic()))

    async def once(self) -> None:
        """Lease once, for the next buckets."""
        some = self._next()
        if self._monotonic() < self._alone_until:
            left: Sequence[AnyBucket] = some
        else:
            result = await self._isolation.each(some, self._lend, self._pass_over)
            left = result.left
            if result.fault is not None:
                self._alone_until = self._monotonic() + ALONE_S
        for bucket in left:
            self._alone(bucket)
        for bucket in some:
            bucket.wake()

    def _next(self) -> list[AnyBucket]:
        """The next buckets, with the tenants in turn."""
        some: list[AnyBucket] = []
        while self._queues and len(some) < BUCKETS_MAX:
            for tenant in list(self._queues)[: BUCKETS_MAX - len(some)]:
                queue = self._queues.pop(tenant)
                bucket = queue.popleft()
                bucket.asked = False
                some.append(bucket)
                if queue:
                    self._queues[tenant] = queue
        if not self._queues:
            self._waiting.clear()
        return some

    async def _pass_over(self, bucket: AnyBucket, error: Exception) -> None:
        """A bucket that the database refuses lives alone; others are not concerned."""
        self._log.error("rate_not_leased", tenant=bucket.tenant, subject=bucket.subject, detail=repr(error))
        self._alone(bucket)
