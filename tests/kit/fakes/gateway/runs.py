"""Runs in memory, as they are found, read and followed."""

import operator
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import GatewayTables, StoredRun
from visapi_gateway.runs.reading.follow import Head
from visapi_gateway.runs.reading.rules.filters import AttributeFilter, RunFilter, first_id_at, ids_beginning
from visapi_gateway.runs.reading.rules.history_items import StoredItem
from visapi_gateway.runs.reading.service import RunRow

_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


class FakeRuns:
    """See `runs.reading.service.RunSource`, `runs.reading.follow.HistorySource`, `runs.bulk.service.FoundRuns`."""

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self.faults = Planned()
        self.reads = 0
        """How often the head of a run was read."""

    async def run(self, tenant: str, run: UUID) -> RunRow | None:
        self.faults.meet("run")
        stored = self._stored(tenant, run)
        return None if stored is None else stored.row

    async def runs(self, tenant: str, wanted: RunFilter, before: UUID | None, limit: int) -> Sequence[RunRow]:
        self.faults.meet("runs")
        return self._found(tenant, wanted, before)[:limit]

    async def count(self, tenant: str, wanted: RunFilter, below: UUID, limit: int) -> tuple[int, datetime]:
        return min(limit, len(self._found(tenant, wanted, below))), self._tables.now

    async def head(self, tenant: str, run: UUID) -> Head | None:
        self.reads += 1
        self.faults.meet("head")
        stored = self._stored(tenant, run)
        if stored is None:
            return None
        retried = any(row.run == run and row.kind == "retry" for row in self._tables.inbox.values())
        return Head(stored.row.status, stored.row.seq, stored.row.ended and retried)

    async def history(self, tenant: str, run: UUID, after: int, rows: int) -> Sequence[StoredItem]:
        stored = self._stored(tenant, run)
        unseen = [items for items in stored.history if items[-1].seq > after] if stored else []
        return [item for item in chain.from_iterable(unseen[:rows]) if item.seq > after]

    def _stored(self, tenant: str, run: UUID) -> StoredRun | None:
        stored = self._tables.runs.get(run)
        return None if stored is None or stored.tenant != tenant else stored

    def _found(self, tenant: str, wanted: RunFilter, before: UUID | None) -> list[RunRow]:
        """Newest first."""
        mine = (one for one in self._tables.runs.values() if one.tenant == tenant and not one.quiet)
        found = [one.row for one in mine if (before is None or one.row.id < before) and _matches(one, wanted)]
        return sorted(found, key=lambda row: row.id, reverse=True)


def _matches(stored: StoredRun, wanted: RunFilter) -> bool:
    row, earliest, latest = stored.row, wanted.created_after, wanted.created_before
    return all(
        (
            not wanted.statuses or row.status in wanted.statuses,
            wanted.namespace in (None, row.namespace),
            wanted.name in (None, row.name),
            wanted.version in (None, row.version),
            wanted.parent in (None, stored.parent),
            wanted.test in (None, row.test),
            wanted.schedule in (None, stored.schedule),
            not wanted.top or stored.parent is None,
            earliest is None or row.id >= first_id_at(earliest),
            latest is None or row.id < first_id_at(latest),
            all(_has(row, one) for one in wanted.attributes),
            wanted.text is None or _mentions(row, wanted.text),
        )
    )


def _has(row: RunRow, wanted: AttributeFilter) -> bool:
    values = _attributes(row).get(wanted.name, [])
    if wanted.operator == ":":
        return any(_text(value) == wanted.value for value in values)
    return any(_COMPARE[wanted.operator](value, wanted.value) for value in values if _is_number(value))


def _mentions(row: RunRow, text: str) -> bool:
    ids, start = ids_beginning(text), text.lower()
    values = chain.from_iterable(_attributes(row).values())
    return (
        (ids is not None and ids[0] <= row.id <= ids[1])
        or start in f"{row.namespace}/{row.name}".lower()
        or any(_text(value).lower().startswith(start) for value in values)
    )


def _attributes(row: RunRow) -> dict[str, list[Any]]:
    """Each attribute with its values."""
    given: dict[str, Any] = msgspec.json.decode(row.attributes or "{}")
    return {name: value if isinstance(value, list) else [value] for name, value in given.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
