"""Whose turn it is: shares among tenants, so that one who wants much does not keep others waiting. Pure."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A queue per tenant, and the tenants in turn."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[T]] = {}
        self._order: deque[str] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def of(self, tenant: str) -> int:
        """How much of a tenant waits here."""
        return len(self._queues.get(tenant, ()))

    def put(self, tenant: str, item: T) -> None:
        queue = self._queues.get(tenant)
        if queue is None:
            queue = self._queues[tenant] = deque()
            self._order.append(tenant)
        queue.append(item)
        self._length += 1

    def drop(self) -> T:
        """What came last of the tenant that has most here."""
        tenant = max(self._queues, key=lambda one: len(self._queues[one]))
        item = self._queues[tenant].pop()
        self._length -= 1
        if not self._queues[tenant]:
            del self._queues[tenant]
            self._order.remove(tenant)
        return item

    def take(self, limit: int) -> list[T]:
        """At most so many, one of each tenant in turn; who was served last comes last the next time."""
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


class Window:
    """How many tasks of one function may lie in the stream, taken by no worker.

    What workers hold is bounded by themselves; what lies in the stream is what a tenant who comes later
    waits behind. `size` grows while workers take all that is released before the next look, and shrinks
    while they do not.
    """

    LEAST = 8
    MOST = 1024
    FREE = 32
    """So many are sent at once while nothing is held back: a short burst pays nothing."""
    CERTAIN = 3
    """Looks in a row that must find nothing held back."""

    def __init__(self) -> None:
        self.size = self.LEAST
        self.holding = False
        """Tasks are held back, so every further one is: whose turn it is, is decided on release."""
        self._queued = 0
        self._released = 0
        self._found_none = 0

    @property
    def to_look(self) -> bool:
        """Whether it is time to see what lies in the stream."""
        return self.holding or self._queued * 2 >= self.FREE

    @property
    def room(self) -> int:
        """How many more tasks may lie in the stream, by the last look."""
        return max(0, self.size - self._queued)

    def admit(self) -> bool:
        """Whether a new task may be sent at once; if not, it is held back."""
        if self.holding or self._queued >= self.FREE:
            self.hold()
            return False
        self._queued += 1
        return True

    def hold(self) -> None:
        """Tasks are, or are about to be, held back."""
        self.holding, self._found_none = True, 0

    def found_none(self) -> None:
        """None is held back; what is being committed shows at one of the next looks."""
        self._found_none += 1
        if self._found_none >= self.CERTAIN:
            self.holding = False

    def seen(self, queued: int) -> None:
        """So many lie in the stream now."""
        if self._released and queued == 0:
            self.size = min(self.MOST, self.size * 2)
        elif queued * 2 >= self.size:
            self.size = max(self.LEAST, self.size - self.size // 8)
        self._queued, self._released = queued, 0

    def released(self, number: int) -> None:
        """So many were sent that had been held back."""
        self._queued += number
        self._released = number
