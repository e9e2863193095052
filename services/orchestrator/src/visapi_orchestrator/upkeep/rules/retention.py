"""Which partitions of ended runs to make and which to drop. Pure.

A partition holds the runs of one retention class whose ids were made in `[first, past)`, days in UTC
(`0001_baseline.sql`). What lies in no partition (a child has an id as old as its parent's)
lies in the class's default partition, which is never dropped; its rows are forgotten one by one.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

RUNS: Final = "runs_done"
BASES: Final = (RUNS, "history", "run_attributes")
"""The partitioned tables; a run's history and attributes are dropped after the run."""
_EPOCH = date(1970, 1, 1)
"""No UUIDv7 is older."""


class RetentionClass(msgspec.Struct, frozen=True):
    """Ended runs are kept for `days`; a partition spans `width` days."""

    name: str
    days: int
    width: int


class Partition(msgspec.Struct, frozen=True, order=True):
    """One table: of `base`, for the class, of the days `[first, past)`."""

    base: str
    retention: str
    first: date
    past: date


class RowDeletion(msgspec.Struct, frozen=True):
    """Ended runs to look through one by one: of the class, with ids of the days `[first, past)`."""

    retention: str
    days: int
    first: date
    past: date


class StoredDays(msgspec.Struct, frozen=True):
    """What there is, on the day (UTC) by the database's clock."""

    today: date
    classes: Sequence[RetentionClass]
    partitions: Sequence[Partition]

    def of(self, base: str, retention: str) -> list[Partition]:
        """The partitions of one class under one table, oldest first."""
        return sorted(one for one in self.partitions if one.base == base and one.retention == retention)


def wanted(kept: StoredDays, ahead: int) -> Iterator[Partition]:
    """The partitions to make, so that today and `ahead` more days have theirs."""
    for kind in kept.classes:
        for base in BASES:
            first = max([kept.today, *(one.past for one in kept.of(base, kind.name))])
            while first <= kept.today + timedelta(days=ahead):
                past = first + timedelta(days=kind.width)
                yield Partition(base, kind.name, first, past)
                first = past


def spent(kept: StoredDays) -> list[tuple[RetentionClass, Partition]]:
    """The partitions of which all days have expired; dropped only if no run in them is live or ended late.

    Runs before their history and attributes.
    """
    return [
        (kind, one)
        for base in BASES
        for kind in kept.classes
        for one in kept.of(base, kind.name)
        if one.past + timedelta(days=kind.days) <= kept.today
    ]


def unpartitioned(kind: RetentionClass, kept: StoredDays) -> Iterator[RowDeletion]:
    """The spans of days up to today without a partition of the class: their ended runs lie in the default
    one.
    """
    first = _EPOCH
    for one in kept.of(RUNS, kind.name):
        past = min(one.first, kept.today)
        if first < past:
            yield RowDeletion(kind.name, kind.days, first, past)
        first = one.past
    if first < kept.today:
        yield RowDeletion(kind.name, kind.days, first, kept.today)
