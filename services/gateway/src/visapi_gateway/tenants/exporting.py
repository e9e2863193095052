"""Export everything that a tenant owns, as lines of JSON.

Rows are read in pages, each in a transaction of its own, so that neither a slow reader nor a large tenant
holds a transaction open or more than a page in memory. The first line is the manifest, and the last one
counts the lines of each section and has the SHA-256 of all lines before: an export without it is not whole.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from visapi_common.contracts.audit import AuditEntry
from visapi_common.core.clocks import WallClock
from visapi_gateway.tenants.sections import (
    FIRST_HISTORY,
    FORMAT,
    HISTORY,
    LEFT_OUT,
    OBJECTS,
    OF_RUNS,
    SECTIONS,
    line,
    piece_line,
    row_line,
)

PAGE = 50
"""Rows of a page. Rows of runs are the largest: each of their values has up to 64 KiB."""
PIECE_BYTES = 192 * 1024

Row = Mapping[str, Any]


class ExportRows(Protocol):
    async def page(
        self, section: str, tenant: str, after: Sequence[str], limit: int, *more: object
    ) -> Sequence[Row]:
        """Rows after a position, in a transaction of their own; `at` is the position of each."""
        ...

    async def record(self, audit: AuditEntry) -> None:
        """Append to the audit, and commit."""
        ...


class ExportObjects(Protocol):
    """Artifacts and large values, which are named by the hash of their content."""

    def names(self, section: str, tenant: str) -> AsyncIterator[str]: ...
    def chunks(self, section: str, tenant: str, name: str) -> AsyncIterator[bytes]: ...


class Exports:
    """See the module's docstring."""

    def __init__(self, rows: ExportRows, objects: ExportObjects, clock: WallClock) -> None:
        self._rows = rows
        self._objects = objects
        self._clock = clock

    async def lines(self, tenant: str, audit: AuditEntry) -> AsyncIterator[bytes]:
        """The lines of the export. The audit entry is committed before the first line is sent."""
        await self._rows.record(audit)
        digest, counts = hashlib.sha256(), dict[str, int]()
        sections = [*SECTIONS, HISTORY, *OBJECTS]
        head = {"format": FORMAT, "tenant": tenant, "began_at": self._clock.now()}
        first = line({"manifest": {**head, "sections": sections, "left_out": LEFT_OUT}})
        digest.update(first)
        yield first
        async for section, text in self._all(tenant):
            digest.update(text)
            counts[section] = counts.get(section, 0) + 1
            yield text
        end = {"ended_at": self._clock.now(), "lines": counts, "sha256": digest.hexdigest()}
        yield line({"end": end})

    async def _all(self, tenant: str) -> AsyncIterator[tuple[str, bytes]]:
        for section, first in SECTIONS.items():
            async for row in self._section(section, tenant, first):
                yield section, row_line(section, row)
                if section in OF_RUNS:
                    of = (row["retention"], row["id"])
                    async for item in self._section(HISTORY, tenant, FIRST_HISTORY, *of):
                        yield HISTORY, row_line(HISTORY, item)
        for section in OBJECTS:
            async for name in self._objects.names(section, tenant):
                offset = 0
                async for piece in self._pieces(section, tenant, name):
                    yield section, piece_line(section, name, offset, piece)
                    offset += len(piece)

    async def _section(
        self, section: str, tenant: str, first: Sequence[str], *more: object
    ) -> AsyncIterator[Row]:
        after = first
        while True:
            rows = await self._rows.page(section, tenant, after, PAGE, *more)
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
            after = rows[-1]["at"]

    async def _pieces(self, section: str, tenant: str, name: str) -> AsyncIterator[bytes]:
        async for chunk in self._objects.chunks(section, tenant, name):
            for start in range(0, len(chunk), PIECE_BYTES):
                yield chunk[start : start + PIECE_BYTES]
