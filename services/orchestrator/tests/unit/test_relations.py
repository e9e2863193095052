"""Named rows as the parameters of statements."""

import re
from uuid import UUID

import pytest

from visapi_orchestrator.transitions.relations.rows import BigInt, Row, Statement, sql_types
from visapi_orchestrator.transitions.rules.write_set import WriteSet, row_types
from visapi_orchestrator.transitions.store import statements

A, B = UUID(int=1), UUID(int=2)
STATEMENTS = {
    name: one
    for name, one in vars(statements).items()
    if isinstance(one, Statement) and not name.startswith("_")
}


class Alarm(Row, frozen=True):
    at_ms: BigInt
    note: str | None


class Alarms:
    """Rows under the name of their relation."""

    def __init__(self, *alarms: Alarm) -> None:
        self.alarms = list(alarms)


def test_the_columns_of_a_statement_are_the_fields_of_the_row_in_their_order():
    taken = Statement("select from {alarms} as a", {"alarms": Alarm}, leading=1)
    assert sql_types(Alarm) == {"run": "uuid", "at_ms": "bigint", "note": "text"}
    assert taken.sql == "select from unnest($2::uuid[], $3::bigint[], $4::text[]) as a (run, at_ms, note)"


def test_rows_are_bound_as_one_array_per_column_after_the_callers_own_parameters():
    taken = Statement("select from {alarms} as a", {"alarms": Alarm}, leading=1)
    bound = taken.parameters(Alarms(Alarm(A, 1, None), Alarm(B, 2, "b")), "mine")
    assert bound == ["mine", (A, B), (1, 2), (None, "b")]
    assert taken.parameters(Alarms(), "mine") == ["mine", (), (), ()]


def test_a_statement_that_takes_the_same_rows_twice_is_refused():
    with pytest.raises(ValueError, match="'alarms' are named twice"):
        Statement("{alarms} as a, {alarms} as b", {"alarms": Alarm})


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_binds_as_many_parameters_as_it_names(name: str):
    statement = STATEMENTS[name]
    numbers = sorted({int(number) for number in re.findall(r"\$(\d+)", statement.sql)})
    own = [None] * statement.leading
    assert numbers == list(range(1, len(statement.parameters(WriteSet(), *own)) + 1))


def test_every_relation_of_a_batch_is_written_by_a_statement():
    taken = {name for statement in STATEMENTS.values() for name in statement.relations}
    assert taken == set(row_types())
