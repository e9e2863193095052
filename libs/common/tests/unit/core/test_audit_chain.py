"""The chain of the audit: what shows when somebody changes rows, and what only a kept head shows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from visapi_common.contracts.audit import AuditRecord
from visapi_common.core.audit_chain import GENESIS, Break, ChainCheck, Head, sealed

Rows = list[AuditRecord]
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def chain(length: int) -> Rows:
    rows: Rows = []
    for seq in range(1, length + 1):
        row = AuditRecord(
            tenant="default",
            seq=seq,
            time=NOON + timedelta(seconds=seq),
            actor="key:a",
            action="run.cancel",
            target=f"run:{seq}",
            reason=None if seq % 2 else "why not",
            request_id=f"r-{seq}",
            details={"b": seq, "a": [1, None]},
            previous=rows[-1].hash if rows else GENESIS,
            hash="",
        )
        rows.append(sealed(row))
    return rows


def check(rows: Rows, expected: Head | None = None) -> Break | None:
    walk = ChainCheck(expected)
    for row in reversed(rows):
        walk.take(row)
    return walk.end()


def forged(rows: Rows, at: int, **changes: object) -> Rows:
    """With one row changed and sealed again, as somebody who knows the scheme would do it."""
    return [*rows[:at], sealed(msgspec.structs.replace(rows[at], **changes)), *rows[at + 1 :]]


def test_a_chain_as_it_was_written_is_whole_and_vouched_for_by_its_head():
    rows = chain(5)
    assert check(rows) is None
    assert check(rows, Head(5, rows[-1].hash)) is None
    assert check(rows, Head(3, rows[2].hash)) is None
    assert check([]) is None


def test_the_order_of_details_makes_no_other_hash():
    (row,) = chain(1)
    assert sealed(msgspec.structs.replace(row, details={"a": [1, None], "b": 1})).hash == row.hash


@pytest.mark.parametrize("field", [name for name in AuditRecord.__struct_fields__ if name != "hash"])
def test_whatever_is_changed_in_a_row_shows(field: str):
    rows = chain(4)
    other = {"seq": 9, "time": NOON, "details": {"a": 1}}.get(field, "other")
    changed = msgspec.structs.replace(rows[1], **{field: other})
    assert check([rows[0], changed, *rows[2:]]) is not None


@pytest.mark.parametrize(
    ("change", "seq"),
    [
        (lambda rows: forged(rows, 2, reason="another"), 3),
        (lambda rows: [*rows[:2], *rows[3:]], 3),
        (lambda rows: rows[2:], 1),
        (lambda rows: forged(rows, 0, previous="1" * 64), 1),
        (lambda rows: [rows[0], rows[2], rows[1], *rows[3:]], None),
    ],
)
def test_the_first_row_that_is_not_as_it_was_written_is_named(
    change: Callable[[Rows], Rows], seq: int | None
):
    found = check(change(chain(6)))
    assert found is not None
    assert seq is None or found.seq == seq


def test_rows_taken_from_the_end_show_to_whoever_kept_the_head_and_to_nobody_else():
    rows = chain(6)
    head = Head(6, rows[-1].hash)
    assert check(rows[:4]) is None
    assert check(rows[:4], head) == Break(5, "rows 5 to 6 are missing")
    assert check([], head) is not None


def test_a_chain_that_was_written_anew_shows_to_whoever_kept_the_head():
    rows = chain(6)
    anew = forged(rows, 0, actor="key:innocent")
    for at in range(1, 6):
        anew = forged(anew, at, previous=anew[at - 1].hash)
    assert check(anew) is None
    assert check(anew, Head(6, rows[-1].hash)) is not None


def cut_after(rows: Rows, last: int) -> Rows:
    """The chain after a cut of its first rows."""
    details = {
        "first": rows[0].seq,
        "last": last,
        "hash": rows[last - rows[0].seq].hash,
        "export": "e.ndjson",
    }
    newest = rows[-1]
    record = msgspec.structs.replace(
        newest,
        seq=newest.seq + 1,
        actor="retention",
        action="audit.cut",
        details=details,
        previous=newest.hash,
    )
    return [row for row in [*rows, sealed(record)] if row.seq > last]


def test_a_chain_that_was_cut_is_whole_and_says_so():
    rows = cut_after(cut_after(chain(9), 3), 6)
    walk = ChainCheck()
    for row in reversed(rows):
        walk.take(row)
    assert walk.end() is None
    assert walk.cut is not None
    assert (walk.cut.first, walk.cut.last, walk.rows) == (4, 6, 5)


def test_rows_are_missing_where_no_cut_records_it():
    whole = chain(9)
    assert check(whole[3:]) == Break(1, "rows 1 to 3 are missing")
    rows = cut_after(whole, 3)
    assert check(rows[1:]) == Break(4, "rows 4 to 4 are missing")
    assert check([row for row in rows if row.action != "audit.cut"]) == Break(1, "rows 1 to 3 are missing")


def test_a_forged_start_or_a_forged_cut_is_found_out():
    rows = cut_after(chain(9), 3)
    wrong = "it is not chained to the row up to which the chain was cut"
    start = forged(rows, 0, previous="f" * 64)
    rest = [start[0], sealed(msgspec.structs.replace(start[1], previous=start[0].hash)), *start[2:]]
    assert check(rest) is not None
    cut = {**rows[-1].details, "hash": "f" * 64}
    assert check(forged(rows, len(rows) - 1, details=cut)) == Break(4, wrong)
    unreadable = forged(rows, len(rows) - 1, details={"last": "three"})
    assert check(unreadable) == Break(1, "rows 1 to 3 are missing")


def test_a_row_that_a_cut_names_and_that_is_still_there_must_be_that_row():
    rows = chain(9)
    uncut = [*rows[1:], cut_after(rows, 3)[-1]]
    assert check(uncut) is None
    other = {**uncut[-1].details, "hash": "f" * 64}
    assert check(forged(uncut, len(uncut) - 1, details=other)) == Break(
        3, "it is not the row up to which the chain was cut"
    )


def test_a_kept_head_proves_what_was_not_cut_and_the_last_row_that_was():
    whole = chain(9)
    rows = cut_after(whole, 3)

    def walked(seq: int, digest: str) -> tuple[Break | None, bool]:
        walk = ChainCheck(Head(seq, digest))
        for row in reversed(rows):
            walk.take(row)
        return walk.end(), walk.unproven

    assert walked(5, whole[4].hash) == (None, False)
    assert walked(3, whole[2].hash) == (None, False)
    assert walked(2, whole[1].hash) == (None, True)
    assert walked(5, "f" * 64)[0] == Break(5, "it has another hash than the one that was kept")
    assert walked(3, "f" * 64)[0] == Break(4, "it is chained to another row than the one that was kept")


@pytest.mark.parametrize("kept", [4, 2])
def test_rows_that_were_cut_while_the_chain_was_read_are_accounted_for_by_the_rows_above_its_head(kept: int):
    whole = chain(9)
    later = cut_after(whole, 6)
    walk = ChainCheck(Head(kept, whole[kept - 1].hash))
    for row in reversed(whole[5:]):
        walk.take(row)
    assert walk.misses_older
    walk.follow([row for row in reversed(later) if row.seq > 9])
    assert walk.end() is None
    assert walk.unproven
    assert walk.head == Head(9, whole[8].hash)


def test_rows_above_the_head_must_follow_it():
    whole = chain(9)
    cut = cut_after(whole, 3)[-1]

    def followed(rows: Rows) -> Break | None:
        walk = ChainCheck()
        for row in reversed(whole[3:]):
            walk.take(row)
        walk.follow(rows)
        return walk.end()

    assert followed([cut]) is None
    assert followed([]) == Break(1, "rows 1 to 3 are missing")
    assert followed(forged([cut], 0, previous="f" * 64)) == Break(
        9, "it is not the row that row 10 was chained to"
    )
    assert followed(forged([cut], 0, seq=11)) == Break(10, "rows 10 to 10 are missing")
    assert followed([msgspec.structs.replace(cut, actor="key:b")]) is not None
