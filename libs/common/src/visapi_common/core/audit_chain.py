"""The chain of the audit: how a row's hash is made, and where a chain is broken.

A hash is the SHA-256 of a JSON array in UTF-8 without spaces: tenant, seq, time, actor, action,
target, reason, request id, details with their names sorted, and the hash of the row before. Anyone
can compute it; the last hash, kept elsewhere, vouches for every row up to it.

Rows that were deleted for their age are recorded by a row of the action `audit.cut` (`Cut`), which holds the
number and the hash of the last of them: the chain goes on from there.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry, AuditRecord

GENESIS = "0" * 64
"""The previous hash of a tenant's first row."""
_encode = msgspec.json.Encoder(order="deterministic").encode


class Break(msgspec.Struct, frozen=True):
    """The row that was changed or is missing, and the evidence."""

    seq: int
    why: str


class Cut(msgspec.Struct, frozen=True):
    """The details of a row that records a cut: numbers of the first and the last row that were deleted, the
    hash of the last, and the artifact that holds them, whose id is the SHA-256 of its bytes.
    """

    first: int
    last: int
    hash: str
    export: str


class Head(msgspec.Struct, frozen=True):
    """A row's number and hash: it vouches for all rows up to it."""

    seq: int
    hash: str


def encoded(details: dict[str, Any]) -> bytes:
    """Details as they are stored."""
    return _encode(details)


def sealed(record: AuditRecord) -> AuditRecord:
    """The record with its hash."""
    return msgspec.structs.replace(record, hash=hash_of(record))


def chained(entries: Iterable[AuditEntry], last: Head | None, now: datetime) -> list[AuditRecord]:
    """The records of entries of one tenant, chained to its last row; None: to nothing."""
    head = last or Head(0, GENESIS)
    made: list[AuditRecord] = []
    for entry in entries:
        record = sealed(
            AuditRecord(
                tenant=entry.tenant,
                seq=head.seq + 1,
                time=now,
                actor=entry.actor,
                action=entry.action.value,
                target=entry.target,
                reason=entry.reason,
                request_id=entry.request_id,
                details=entry.details,
                previous=head.hash,
                hash="",
            )
        )
        made.append(record)
        head = Head(record.seq, record.hash)
    return made


def hash_of(record: AuditRecord) -> str:
    return hashlib.sha256(_encode([getattr(record, name) for name in _COVERED])).hexdigest()


class ChainCheck:
    """Checks a chain from its newest row to its first. `expected` is a head that was saved earlier."""

    def __init__(self, expected: Head | None = None) -> None:
        self._expected = expected
        self._above: AuditRecord | None = None
        self.head: Head | None = None
        self.rows = 0
        self.broken: Break | None = None
        """The lowest broken row so far."""
        self.cut: Cut | None = None
        """The last cut: rows up to its `last` are gone."""
        self.unproven = False
        """The expected head was cut: only the exports show that the rows up to it are unchanged."""
        self._cuts: dict[int, str] = {}

    def take(self, record: AuditRecord) -> None:
        """The next row, each older than the one before."""
        self.rows += 1
        if self.head is None:
            self.head = Head(record.seq, record.hash)
            self._check_end(record)
        self._check_above(record)
        if hash_of(record) != record.hash:
            self._found(record.seq, "its content is not what its hash was made of")
        if self._expected is not None and record.seq == self._expected.seq:
            self._check_expected(record)
        self._check_cuts(record)
        self._above = record

    @property
    def misses_older(self) -> bool:
        """Whether no cut that was read accounts for the rows before the oldest one. A cut may have been
        recorded above the head meanwhile: read the rows above the head, and `follow` them.
        """
        first = self._above
        return first is not None and first.seq != 1 and (self.cut is None or self.cut.last < first.seq - 1)

    def follow(self, newer: Sequence[AuditRecord]) -> None:
        """The rows above the head, the newest first. The head stays the one that was read at first."""
        head = self.head
        if head is None or not newer:
            return
        above = ChainCheck()
        for record in newer:
            above.take(record)
        lowest = newer[-1]
        if self.broken is None and above.broken is not None:
            self.broken = above.broken
        elif self.broken is None and lowest.seq != head.seq + 1:
            self._found(head.seq + 1, f"rows {head.seq + 1} to {lowest.seq - 1} are missing")
        elif self.broken is None and lowest.previous != head.hash:
            self._found(head.seq, f"it is not the row that row {lowest.seq} was chained to")
        self.cut = above.cut or self.cut
        self._cuts = {**above.cuts, **self._cuts}

    @property
    def cuts(self) -> Mapping[int, str]:
        """The hash of the last row of each cut, by its number."""
        return self._cuts

    def end(self) -> Break | None:
        """There are no older rows; the first broken row of the chain."""
        first = self._above
        if first is None:
            if self._expected is not None:
                self._found(1, f"the chain is empty and once had {self._expected.seq} rows")
        elif first.seq != 1:
            self._check_start(first)
        elif first.previous != GENESIS:
            self._found(1, "it is chained to a row before the first")
        return self.broken

    def _check_cuts(self, record: AuditRecord) -> None:
        if self._cuts.get(record.seq, record.hash) != record.hash:
            self._found(record.seq, "it is not the row up to which the chain was cut")
        if record.action == AuditAction.AUDIT_CUT.value:
            try:
                cut = msgspec.convert(record.details, Cut)
            except msgspec.ValidationError:
                self._found(record.seq, "it records a cut that cannot be read")
                return
            self._cuts[cut.last] = cut.hash
            self.cut = self.cut or cut

    def _check_start(self, first: AuditRecord) -> None:
        """The chain begins with a later row than the first."""
        before, cut = first.seq - 1, self.cut
        if cut is None or cut.last < before:
            since = 1 if cut is None else cut.last + 1
            self._found(since, f"rows {since} to {before} are missing")
        elif self._cuts.get(before, first.previous) != first.previous:
            self._found(first.seq, "it is not chained to the row up to which the chain was cut")
        expected = self._expected
        if expected is None or expected.seq > before:
            return
        if expected.seq == before and expected.hash != first.previous:
            self._found(first.seq, "it is chained to another row than the one that was kept")
        self.unproven = expected.seq < before

    def _check_above(self, record: AuditRecord) -> None:
        above = self._above
        if above is None:
            return
        if above.seq != record.seq + 1:
            self._found(record.seq + 1, f"rows {record.seq + 1} to {above.seq - 1} are missing")
        elif above.previous != record.hash:
            self._found(record.seq, f"it is not the row that row {above.seq} was chained to")

    def _check_end(self, newest: AuditRecord) -> None:
        if self._expected is not None and newest.seq < self._expected.seq:
            self._found(newest.seq + 1, f"rows {newest.seq + 1} to {self._expected.seq} are missing")

    def _check_expected(self, record: AuditRecord) -> None:
        if self._expected is not None and record.hash != self._expected.hash:
            self._found(record.seq, "it has another hash than the one that was kept")

    def _found(self, seq: int, why: str) -> None:
        self.broken = Break(seq, why)


_COVERED = tuple(name for name in AuditRecord.__struct_fields__ if name != "hash")
