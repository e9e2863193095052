"""Creates partitions of ended runs ahead of time, and drops expired ones."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Final, Protocol, TypeVar

import msgspec

from visapi_common.core.errors import Fault
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.upkeep.rules.retention import (
    RUNS,
    Partition,
    RetentionClass,
    RowDeletion,
    StoredDays,
    spent,
    unpartitioned,
    wanted,
)

T = TypeVar("T")
R = TypeVar("R")

DAYS_AHEAD: Final = 7
LIMIT: Final = 1000
"""Runs deleted one by one in one transaction."""


class RetentionRows(Protocol):
    async def keep_by_default(self, days: int) -> None: ...
    async def kept(self) -> StoredDays: ...
    async def make(self, new: Partition) -> bool | None: ...
    async def drop(self, kind: RetentionClass, old: Partition) -> bool: ...
    async def forget(self, rows: RowDeletion, limit: int) -> int: ...


class Retention:
    """One round of it at a time."""

    def __init__(self, rows: RetentionRows, default_days: int) -> None:
        self._rows = rows
        self._default_days = default_days
        self._needed: dict[Partition, date] = {}
        """Partitions in which a run was needed, with the day on which they were looked through."""
        self._failed: Fault | None = None
        self._log = get_logger("retention")

    async def keep(self) -> bool:
        """Create missing partitions and drop expired ones; return whether there is more to do at once.

        Raises the last fault of the database when something failed, after everything else was done. A
        partition that somebody reads now is dropped in a later round.
        """
        self._failed = None
        await self._rows.keep_by_default(self._default_days)
        kept = await self._rows.kept()
        made = [
            await self._tried(self._make, one, otherwise=False, what=f"make {one.base} of {one.retention}")
            for one in wanted(kept, DAYS_AHEAD)
        ]
        if any(made):
            self._log.info("partitions_made", count=sum(made))
        more = await self._let_go(kept)
        if self._failed is not None:
            raise self._failed
        return more

    async def _tried(self, work: Callable[[T], Awaitable[R]], item: T, *, otherwise: R, what: str) -> R:
        """A table or class that fails delays no other."""
        try:
            return await work(item)
        except Fault as fault:
            self._failed = fault
            self._log.warning("retention_failed", what=what, detail=str(fault))
            return otherwise

    async def _make(self, new: Partition) -> bool:
        """Where rows of the default partition overlap the new one, the new partition begins a day or more
        later.
        """
        made = await self._rows.make(new)
        while made is None and new.first + timedelta(days=1) < new.past:
            new = msgspec.structs.replace(new, first=new.first + timedelta(days=1))
            made = await self._rows.make(new)
        return bool(made)

    async def _let_go(self, kept: StoredDays) -> bool:
        old: list[RowDeletion] = [rows for kind in kept.classes for rows in unpartitioned(kind, kept)]
        for kind, partition in spent(kept):
            if self._needed.get(partition) == kept.today:
                old.append(_rows_of(kind, partition))
                continue
            try:
                gone = await self._rows.drop(kind, partition)
            except Fault as busy:
                self._log.info("partition_busy", partition=partition.base, detail=str(busy))
                continue
            if gone:
                self._log.info(
                    "partition_dropped",
                    table=partition.base,
                    retention=kind.name,
                    first=partition.first.isoformat(),
                    past=partition.past.isoformat(),
                )
            elif partition.base == RUNS:
                self._needed[partition] = kept.today
                old.append(_rows_of(kind, partition))
        self._needed = {one: day for one, day in self._needed.items() if day == kept.today}
        forgotten = [
            await self._tried(self._forget, rows, otherwise=0, what=f"forget runs of {rows.retention}")
            for rows in old
        ]
        return LIMIT in forgotten

    async def _forget(self, rows: RowDeletion) -> int:
        return await self._rows.forget(rows, LIMIT)


def _rows_of(kind: RetentionClass, partition: Partition) -> RowDeletion:
    return RowDeletion(kind.name, kind.days, partition.first, partition.past)
