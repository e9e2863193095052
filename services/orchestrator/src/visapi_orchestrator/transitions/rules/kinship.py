"""Who may start runs: the bounds of families and of tenants, decided within the transaction. Pure.

A run that may not start all it wants is folded again and told how many it may start; its tasks fail with an
error that a `catch` can take. The listener of a schedule goes on: what it may not start is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

import msgspec

from visapi_engine.machine.lineage import Lineage
from visapi_orchestrator.kernel.rules.messages import Short
from visapi_orchestrator.transitions.rules.snapshot import Facts
from visapi_orchestrator.transitions.rules.write_set import Children

OPEN_MAX = 10_000
"""Open descendants of a root, unless a setting says otherwise."""


def lineage_of(facts: Facts, depth_max: int, short: Short | None) -> Lineage:
    """A run's place in its family, as the engine needs it."""
    return Lineage(
        root=None if facts.root is None else str(facts.root),
        depth=facts.depth,
        depth_max=depth_max,
        room=None if short is None else short.room,
        refused="" if short is None else short.reason,
    )


class Room(msgspec.Struct, frozen=True):
    """What the ledger knows of a family under its lock. `tenant_room` is None where nobody has counted."""

    cancelled: bool
    open: int
    tenant_room: int | None
    tenant_max: int = 0


@dataclass(slots=True)
class Kin:
    """What was decided: whose transition is refused, who must be cancelled with its root, which children of
    listeners are left out.
    """

    short: dict[UUID, Short] = field(default_factory=dict[UUID, Short])
    doomed: set[UUID] = field(default_factory=set[UUID])
    left_out: set[UUID] = field(default_factory=set[UUID])

    @property
    def refused(self) -> frozenset[UUID]:
        """The runs whose transitions are not written."""
        return frozenset(self.short) | self.doomed


class Allotment:
    """Gives the room away, parent by parent."""

    def __init__(self, rooms: Mapping[tuple[UUID | None, str], Room], open_max: int) -> None:
        self._rooms = rooms
        self._open_max = open_max
        self._taken: dict[UUID | None, int] = {}
        self._taken_of: dict[str, int] = {}

    def decide(self, children: Children) -> Kin:
        """Decide about all of them. Children of one parent stand together."""
        kin = Kin()
        for parent, places in groupby(range(len(children.id)), children.parent.__getitem__):
            wanted = list(places)
            if children.heard[wanted[0]]:
                kin.left_out.update(children.id[at] for at in wanted if not self._take(children, [at]))
                continue
            room = self._room(children, wanted[0])
            if room.cancelled:
                kin.doomed.add(parent)
            elif not self._take(children, wanted):
                kin.short[parent] = self._short(children, wanted[0])
        return kin

    def _room(self, children: Children, at: int) -> Room:
        unknown = Room(cancelled=True, open=0, tenant_room=None)
        return self._rooms.get((children.root[at], children.tenant[at]), unknown)

    def _left(self, children: Children, at: int) -> tuple[int, int]:
        """Room in the family, room of the tenant."""
        root, tenant, room = children.root[at], children.tenant[at], self._room(children, at)
        family = self._open_max if root is None else self._open_max - room.open - self._taken.get(root, 0)
        many = self._open_max + 1
        of_tenant = many if room.tenant_room is None else room.tenant_room - self._taken_of.get(tenant, 0)
        return max(0, family), max(0, of_tenant)

    def _take(self, children: Children, wanted: list[int]) -> bool:
        at = wanted[0]
        if self._room(children, at).cancelled or len(wanted) > min(self._left(children, at)):
            return False
        root, tenant = children.root[at], children.tenant[at]
        if root is not None:
            self._taken[root] = self._taken.get(root, 0) + len(wanted)
        self._taken_of[tenant] = self._taken_of.get(tenant, 0) + len(wanted)
        return True

    def _short(self, children: Children, at: int) -> Short:
        family, of_tenant = self._left(children, at)
        if of_tenant < family:
            most = self._room(children, at).tenant_max
            return Short(of_tenant, f"the tenant has {most:,} open runs, as many as it may have")
        root = children.root[at]
        return Short(family, f"run {root} has {self._open_max:,} open descendants, as many as it may have")
