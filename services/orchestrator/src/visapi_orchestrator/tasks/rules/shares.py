"""How many slots of a shared function each tenant may hold, so that some stay free for others. Pure.

A slot is held from the moment a task is released until its result is consumed, by the rule of
`visapi_common.core.shares`; and every tenant gets one. So a tenant whose tasks take long, because its
receivers hang, delays nobody else.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from visapi_common.core.shares import Share

_WORKER_FORGOTTEN_S: Final = 35.0
"""Three missed announcements of a worker."""


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


class Allotted(NamedTuple):
    """How many held tasks of each tenant are released, and what the others wait for."""

    given: dict[str, int]
    last: str
    """The tenant that was served last: it comes last the next time."""
    over_share: frozenset[str]
    """Tenants that hold their share: they wait for results of their own tasks."""
    short: bool
    """Tasks of other tenants wait for room in the stream."""

    @property
    def all_given(self) -> bool:
        return not self.over_share and not self.short


def allot(
    waiting: Mapping[str, int], sent: Mapping[str, int], *, room: int, slots: int, last: str
) -> Allotted:
    """Which held tasks go next.

    `waiting` and `sent` say how many tasks of each tenant are held and hold a slot. Tenants take a slot each
    in order of their names, from the one after `last`.
    """
    shares = Share(slots, least=1)
    shares.counted(sent)
    names = sorted(waiting)
    order = deque([*(name for name in names if name > last), *(name for name in names if name <= last)])
    given: dict[str, int] = {}
    over_share: set[str] = set()
    while order and room > 0:
        name = order.popleft()
        if given.get(name, 0) >= waiting[name]:
            continue
        if not shares.take(name):
            over_share.add(name)
            continue
        given[name] = given.get(name, 0) + 1
        room -= 1
        last = name
        order.append(name)
    short = any(given.get(name, 0) < waiting[name] for name in order)
    return Allotted(given, last, frozenset(over_share), short)
