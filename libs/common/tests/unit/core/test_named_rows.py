"""Named rows as the parameters of statements."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
import pytest

from visapi_common.core.named_rows import BigInt, Statement, sql_types, values_of

A, B = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Alarm(msgspec.Struct, frozen=True):
    run: UUID
    at_ms: BigInt
    note: str | None
    seen_at: datetime


class Alarms(NamedTuple):
    """Rows under the name of their relation."""

    alarms: list[Alarm]


def test_the_columns_of_a_statement_are_the_fields_of_the_row_in_their_order():
    taken = Statement("select from {alarms} as a", {"alarms": Alarm}, leading=1)
    types = {"run": "uuid", "at_ms": "bigint", "note": "text", "seen_at": "timestamptz"}
    assert sql_types(Alarm) == types
    assert taken.sql == (
        "select from unnest($2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[])"
        " as a (run, at_ms, note, seen_at)"
    )


def test_rows_are_bound_as_one_array_per_column_after_the_callers_own_parameters():
    taken = Statement("select from {alarms} as a", {"alarms": Alarm}, leading=1)
    bound = taken.parameters(Alarms([Alarm(A, 1, None, NOON), Alarm(B, 2, "b", NOON)]), "mine")
    assert bound == ["mine", (A, B), (1, 2), (None, "b"), (NOON, NOON)]
    assert taken.parameters(Alarms([]), "mine") == ["mine", (), (), (), ()]


def test_a_statement_that_takes_the_same_rows_twice_is_refused():
    with pytest.raises(ValueError, match="'alarms' are named twice"):
        Statement("{alarms} as a, {alarms} as b", {"alarms": Alarm})


def test_one_row_is_inserted_by_the_names_of_its_fields():
    assert values_of(Alarm) == "(run, at_ms, note, seen_at) values ($1, $2, $3, $4)"
