"""Which partitions of ended runs are made, and which go."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from visapi_orchestrator.upkeep.rules.retention import (
    BASES,
    Partition,
    RetentionClass,
    RowDeletion,
    StoredDays,
    spent,
    unpartitioned,
    wanted,
)

TODAY = date(2026, 3, 10)
STANDARD = RetentionClass("standard", 30, 1)
YEAR = RetentionClass("d365", 365, 7)


def day(ago: int) -> date:
    return TODAY - timedelta(days=ago)


def runs(retention: str, *ages: tuple[int, int]) -> list[Partition]:
    return [Partition("runs_done", retention, day(first), day(past)) for first, past in ages]


def test_every_table_gets_partitions_for_today_and_the_days_ahead():
    made = list(wanted(StoredDays(TODAY, [STANDARD], []), 2))
    assert [(one.base, one.first, one.past) for one in made] == [
        (base, day(-n), day(-n - 1)) for base in BASES for n in range(3)
    ]


def test_wide_partitions_go_on_where_the_last_one_ends():
    made = list(wanted(StoredDays(TODAY, [YEAR], runs("d365", (5, -2))), 7))
    assert [(one.first, one.past) for one in made if one.base == "runs_done"] == [(day(-2), day(-9))]
    assert [(one.first, one.past) for one in made if one.base == "history"] == [
        (day(0), day(-7)),
        (day(-7), day(-14)),
    ]


def test_a_partition_is_spent_when_its_youngest_day_is_as_old_as_the_policy_says():
    kept = StoredDays(TODAY, [STANDARD], runs("standard", (32, 31), (31, 30), (30, 29)))
    assert [one.first for _, one in spent(kept)] == [day(32), day(31)]


def test_runs_go_before_what_belongs_to_them():
    tables = [
        Partition(base, "standard", day(40), day(39)) for base in ("history", "run_attributes", "runs_done")
    ]
    gone = [one.base for _, one in spent(StoredDays(TODAY, [STANDARD], tables))]
    assert gone == ["runs_done", "history", "run_attributes"]


def test_rows_without_a_partition_are_looked_for_around_those_there_are():
    kept = StoredDays(TODAY, [STANDARD], runs("standard", (10, 9), (9, 8), (5, 4), (0, -1)))
    assert list(unpartitioned(STANDARD, kept)) == [
        RowDeletion("standard", 30, date(1970, 1, 1), day(10)),
        RowDeletion("standard", 30, day(8), day(5)),
        RowDeletion("standard", 30, day(4), day(0)),
    ]


CLASSES = st.sampled_from([STANDARD, YEAR, RetentionClass("d1", 1, 1), RetentionClass("d3650", 3650, 31)])


@given(
    CLASSES,
    st.lists(st.integers(0, 60), min_size=1, max_size=12),
)
def test_whenever_the_rounds_come_days_are_covered_once_and_nothing_young_goes(
    kind: RetentionClass, pauses: list[int]
):
    today, tables = TODAY, list[Partition]()
    for pause in pauses:
        today += timedelta(days=pause)
        kept = StoredDays(today, [kind], tables)
        for _, one in spent(kept):
            assert one.past <= today - timedelta(days=kind.days)
            tables.remove(one)
        tables += wanted(StoredDays(today, [kind], tables), 7)
        for base in BASES:
            mine = StoredDays(today, [kind], tables).of(base, kind.name)
            assert all(a.past <= b.first for a, b in pairwise(mine))
            for ahead in range(8):
                wish = today + timedelta(days=ahead)
                assert sum(one.first <= wish < one.past for one in mine) == 1
        covered = [*unpartitioned(kind, StoredDays(today, [kind], tables))]
        for old in (today - timedelta(days=n) for n in range(1, 100)):
            inside = any(one.first <= old < one.past for one in tables if one.base == "runs_done")
            assert inside != any(rows.first <= old < rows.past for rows in covered)
