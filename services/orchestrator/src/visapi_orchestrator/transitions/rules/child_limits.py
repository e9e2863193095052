"""Limits of child runs: the bounds of families and of tenants, decided within the transaction. Pure.

A run that may not start all its child runs is advanced again with its limit; the tasks beyond the limit fail
with an error that `catch` can handle. The listener of a schedule goes on without the child runs beyond the
limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from uuid import UUID

import msgspec

from visapi_engine.machine.lineage import Lineage
from visapi_orchestrator.kernel.rules.messages import ChildLimit
from visapi_orchestrator.transitions.relations.children import ChildRow
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

OPEN_MAX = 10_000
"""Open descendants of a root, unless a setting says otherwise."""


def lineage_of(snapshot: RunSnapshot, depth_max: int, child_limit: ChildLimit | None) -> Lineage:
    """A run's place in its family, as the engine takes it."""
    return Lineage(
        root=None if snapshot.root is None else str(snapshot.root),
        depth=snapshot.depth,
        depth_max=depth_max,
        room=None if child_limit is None else child_limit.room,
        refused="" if child_limit is None else child_limit.reason,
    )


class FamilyRoom(msgspec.Struct, frozen=True):
    """The state of a family, read under its lock. `tenant_room` is None where no count exists yet."""

    cancelled: bool
    open: int
    tenant_room: int | None
    tenant_max: int = 0


@dataclass(slots=True)
class ChildVerdict:
    """The decision: parents whose transition is refused (`limited`), parents that are cancelled with their
    root, and skipped children of listeners.
    """

    limited: dict[UUID, ChildLimit] = field(default_factory=dict[UUID, ChildLimit])
    cancelled_parents: set[UUID] = field(default_factory=set[UUID])
    skipped: set[UUID] = field(default_factory=set[UUID])

    @property
    def refused(self) -> frozenset[UUID]:
        """The runs whose transitions are not written."""
        return frozenset(self.limited) | self.cancelled_parents


class Allotment:
    """Divides the allowed number of children among their parents."""

    def __init__(self, rooms: Mapping[tuple[UUID | None, str], FamilyRoom], open_max: int) -> None:
        self._rooms = rooms
        self._open_max = open_max
        self._taken: dict[UUID | None, int] = {}
        self._taken_of: dict[str, int] = {}

    def decide(self, children: Sequence[ChildRow]) -> ChildVerdict:
        """Decide about all of them. Children of one parent stand together."""
        child_verdict = ChildVerdict()
        for parent, group in groupby(children, key=attrgetter("run")):
            wanted = list(group)
            first = wanted[0]
            if first.by_listener:
                child_verdict.skipped.update(child.id for child in wanted if not self._take(child, 1))
                continue
            if self._room(first).cancelled:
                child_verdict.cancelled_parents.add(parent)
            elif not self._take(first, len(wanted)):
                child_verdict.limited[parent] = self._short(first)
        return child_verdict

    def _room(self, child: ChildRow) -> FamilyRoom:
        unknown = FamilyRoom(cancelled=True, open=0, tenant_room=None)
        return self._rooms.get((child.root, child.tenant), unknown)

    def _left(self, child: ChildRow) -> tuple[int, int]:
        """Room in the family, room of the tenant."""
        root, tenant, room = child.root, child.tenant, self._room(child)
        family = self._open_max if root is None else self._open_max - room.open - self._taken.get(root, 0)
        many = self._open_max + 1
        of_tenant = many if room.tenant_room is None else room.tenant_room - self._taken_of.get(tenant, 0)
        return max(0, family), max(0, of_tenant)

    def _take(self, child: ChildRow, count: int) -> bool:
        if self._room(child).cancelled or count > min(self._left(child)):
            return False
        root, tenant = child.root, child.tenant
        if root is not None:
            self._taken[root] = self._taken.get(root, 0) + count
        self._taken_of[tenant] = self._taken_of.get(tenant, 0) + count
        return True

    def _short(self, child: ChildRow) -> ChildLimit:
        family, of_tenant = self._left(child)
        if of_tenant < family:
            most = self._room(child).tenant_max
            return ChildLimit(of_tenant, f"the tenant has {most:,} open runs, as many as it may have")
        return ChildLimit(
            family, f"run {child.root} has {self._open_max:,} open descendants, as many as it may have"
        )
