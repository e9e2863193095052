"""Fair scheduling among tenants: a tenant with much work does not delay others. Pure."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """One queue per tenant, served round-robin."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[T]] = {}
        self._order: deque[str] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def of(self, tenant: str) -> int:
        """The number of a tenant's items."""
        return len(self._queues.get(tenant, ()))

    def put(self, tenant: str, item: T) -> None:
        queue = self._queues.get(tenant)
        if queue is None:
            queue = self._queues[tenant] = deque()
            self._order.append(tenant)
        queue.append(item)
        self._length += 1

    def drop(self) -> T:
        """Remove and return the newest item of the tenant with the most items."""
        tenant = max(self._queues, key=lambda one: len(self._queues[one]))
        item = self._queues[tenant].pop()
        self._length -= 1
        if not self._queues[tenant]:
            del self._queues[tenant]
            self._order.remove(tenant)
        return item

    def take(self, limit: int) -> list[T]:
        """At most `limit` items, round-robin: the tenant served last comes last the next time."""
        taken: list[T] = []
        while self._order and len(taken) < limit:
            tenant = self._order.popleft()
            queue = self._queues[tenant]
            taken.append(queue.popleft())
            if queue:
                self._order.append(tenant)
            else:
                del self._queues[tenant]
        self._length -= len(taken)
        return taken

    def take_of(self, limit: int, wanted: Callable[[str, int], bool]) -> list[T]:
        """At most `limit` items of some tenants, all of each while there is room; `wanted` is asked with a
        tenant and the number of its items.
        """
        taken: list[T] = []
        for tenant in list(self._order):
            if len(taken) == limit:
                break
            queue = self._queues[tenant]
            if not wanted(tenant, len(queue)):
                continue
            while queue and len(taken) < limit:
                taken.append(queue.popleft())
            if not queue:
                del self._queues[tenant]
                self._order.remove(tenant)
        self._length -= len(taken)
        return taken


class Window:
    """How many tasks of one function may wait in the stream, taken by no worker.

    Workers bound the tasks that they hold; tasks in the stream delay the tenants that come later. `size`
    grows while workers take all released tasks before the next look, and shrinks while they do not.
    """

    LEAST = 8
    MOST = 1024
    FREE = 32
    """Tasks that may lie there while none is held back: a short burst is not delayed."""

    def __init__(self) -> None:
        self.size = self.LEAST
        self.holding = False
        """The last look left tasks held for want of room."""
        self._queued = 0
        self._released = 0

    @property
    def room(self) -> int:
        """How many more tasks may enter the stream, by the last look."""
        most = self.size if self.holding else max(self.size, self.FREE)
        return max(0, most - self._queued)

    def seen(self, queued: int) -> None:
        """The number of tasks in the stream now."""
        if self._released and queued == 0 and self.holding:
            self.size = min(self.MOST, self.size * 2)
        elif queued * 2 >= self.size:
            self.size = max(self.LEAST, self.size - self.size // 8)
        self._queued, self._released = queued, 0

    def released(self, number: int, *, short: bool) -> None:
        """Held tasks that were sent; `short`: others would have been, with more room."""
        self._queued += number
        self._released = number
        self.holding = short
