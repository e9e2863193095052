"""How many slots of a shared function each tenant may hold, so that some stay free for others. Pure.

A slot is held from the moment a task is sent until its result is consumed, by the rule of
`visapi_common.core.shares`; and every tenant gets one. So a tenant whose tasks take long, because its
receivers hang, delays nobody else.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from visapi_common.core.shares import Share

_WORKER_FORGOTTEN_S: Final = 35.0
"""Three missed announcements of a worker."""
_CERTAIN: Final = 3
"""Consecutive looks that must find no held task of a tenant."""


class Slots:
    """How many tasks all workers of a function execute at once, as announced."""

    def __init__(self, known: int) -> None:
        self._known = known
        self._workers: dict[str, tuple[int, float]] = {}

    def announced(self, worker: str, slots: int, now_s: float) -> None:
        """Record a worker's announcement."""
        self._workers[worker] = (slots, now_s)

    def total(self, now_s: float) -> int:
        """The slots of all live workers; a default before the first announcement."""
        gone = [name for name, (_, seen) in self._workers.items() if now_s - seen > _WORKER_FORGOTTEN_S]
        for name in gone:
            del self._workers[name]
        return sum(slots for slots, _ in self._workers.values()) or self._known


class Shares:
    """The slots of one function that tenants hold, and the tenants whose tasks are held back."""

    def __init__(self) -> None:
        self._sent = Share(0, least=1)
        self._held: dict[str, int] = {}

    @property
    def holding(self) -> bool:
        """Whether tasks of any tenant are, or may be, held back."""
        return bool(self._held)

    def take(self, tenant: str, slots: int) -> bool:
        """Take a slot for a task that is about to be sent; False when the tenant has its share."""
        self._sent.total = slots
        return self._sent.take(tenant)

    def admit(self, tenant: str, slots: int) -> bool:
        """As `take`, for a new task. A tenant's new tasks wait behind its held tasks."""
        if tenant not in self._held and self.take(tenant, slots):
            return True
        self.hold(tenant)
        return False

    def hold(self, tenant: str) -> None:
        """Tasks of the tenant are, or are about to be, held."""
        self._held[tenant] = 0

    def counted(self, sent: Mapping[str, int]) -> None:
        """The slots that each tenant holds according to the ledger, which knows of all orchestrators."""
        self._sent.counted(sent)

    def looked(self, left: Mapping[str, int]) -> None:
        """After a look: the tenants of which tasks are still held back. What is being committed shows at
        one of the next looks.
        """
        for tenant in list(self._held):
            if left.get(tenant):
                continue
            self._held[tenant] += 1
            if self._held[tenant] >= _CERTAIN:
                del self._held[tenant]
        for tenant, number in left.items():
            if number:
                self.hold(tenant)


def allot(
    waiting: Mapping[str, int], room: int, last: str, shares: Shares, slots: int
) -> tuple[dict[str, int], str]:
    """How many of each tenant's waiting tasks go next, and who comes last the next time.

    `waiting` says how many each has at most; tenants take a slot each in order of their names, from the one
    after `last`. The slots are taken in `shares`; a tenant that holds its share gets none.
    """
    names = sorted(waiting)
    order = deque([*(name for name in names if name > last), *(name for name in names if name <= last)])
    given: dict[str, int] = {}
    while order and room > 0:
        name = order.popleft()
        if given.get(name, 0) < waiting[name] and shares.take(name, slots):
            given[name] = given.get(name, 0) + 1
            room -= 1
            last = name
            order.append(name)
    return given, last
