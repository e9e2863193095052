"""A job queue that serves tenants round-robin; no tenant may hold every slot. Pure."""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class JobQueueLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of `FairJobQueue`. `per_tenant` is lower than `at_once`, so that a slot remains for others."""

    at_once: int
    per_tenant: int
    waiting: int
    """Waiting jobs of all tenants."""
    waiting_per_tenant: int
    bytes_waiting: int
    """Bytes of all waiting jobs."""
    bytes_waiting_per_tenant: int | None = None
    """Bytes of one tenant's waiting jobs; `None` means no limit of its own."""


class Refusal(Enum):
    """Why a job is refused."""

    TENANT_FULL = "too many jobs of this tenant wait"
    FULL = "too many jobs wait"


class FairJobQueue(Generic[T]):
    """Waiting jobs by tenant, and the number of running jobs of each."""

    def __init__(self, limits: JobQueueLimits) -> None:
        self._limits = limits
        self._queues: dict[str, deque[tuple[T, int]]] = {}
        self._turns: deque[str] = deque()
        self._running: dict[str, int] = {}
        self.running = 0
        self.waiting = 0
        self._bytes: dict[str, int] = {}
        self._all_bytes = 0

    def is_full(self, tenant: str) -> bool:
        """Whether the tenant has reached its limit of running jobs."""
        return self._running.get(tenant, 0) >= self._limits.per_tenant

    def put(self, tenant: str, item: T, size: int) -> Refusal | None:
        """Queue a job of `size` bytes, or return the reason for refusing it."""
        limits = self._limits
        queue = self._queues.get(tenant)
        if queue is not None and (
            len(queue) >= limits.waiting_per_tenant
            or (
                limits.bytes_waiting_per_tenant is not None
                and self._bytes[tenant] + size > limits.bytes_waiting_per_tenant
            )
        ):
            return Refusal.TENANT_FULL
        full = self.waiting >= limits.waiting or self._all_bytes + size > limits.bytes_waiting
        # An empty queue accepts any job, because the size of one job is bounded elsewhere.
        if full and self.waiting:
            return Refusal.FULL
        if queue is None:
            queue = self._queues[tenant] = deque()
            self._turns.append(tenant)
        queue.append((item, size))
        self._count(tenant, 1, size)
        return None

    def take(self, other_than: str | None = None) -> T | None:
        """The next job that may run now; its tenant moves to the end of the order. The job runs until `done`.

        Jobs of the tenant `other_than` are skipped.
        """
        if self.running >= self._limits.at_once:
            return None
        for _ in range(len(self._turns)):
            tenant = self._turns.popleft()
            if tenant == other_than or self.is_full(tenant):
                self._turns.append(tenant)
                continue
            queue = self._queues[tenant]
            item, size = queue.popleft()
            self._count(tenant, -1, -size)
            self._running[tenant] = self._running.get(tenant, 0) + 1
            self.running += 1
            if queue:
                self._turns.append(tenant)
            else:
                del self._queues[tenant], self._bytes[tenant]
            return item
        return None

    def done(self, tenant: str) -> None:
        """Record that a taken job of the tenant has ended."""
        self.running -= 1
        left = self._running[tenant] - 1
        if left:
            self._running[tenant] = left
        else:
            del self._running[tenant]

    def drop(self, tenant: str, is_dropped: Callable[[T], bool]) -> None:
        """Remove the tenant's waiting jobs for which `is_dropped` holds."""
        queue = self._queues.get(tenant)
        if queue is None:
            return
        kept = deque(entry for entry in queue if not is_dropped(entry[0]))
        self._count(tenant, len(kept) - len(queue), sum(size for _, size in kept) - self._bytes[tenant])
        if kept:
            self._queues[tenant] = kept
        else:
            del self._queues[tenant], self._bytes[tenant]
            self._turns.remove(tenant)

    def _count(self, tenant: str, jobs: int, size: int) -> None:
        self.waiting += jobs
        self._bytes[tenant] = self._bytes.get(tenant, 0) + size
        self._all_bytes += size
