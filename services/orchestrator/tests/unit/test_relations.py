"""The relations of a transition, and the statements that write them."""

import re

import pytest

from visapi_common.core.named_rows import Statement
from visapi_orchestrator.transitions.rules.write_set import WriteSet, row_types
from visapi_orchestrator.transitions.store import statements

STATEMENTS = {
    name: one
    for name, one in vars(statements).items()
    if isinstance(one, Statement) and not name.startswith("_")
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_binds_as_many_parameters_as_it_names(name: str):
    statement = STATEMENTS[name]
    numbers = sorted({int(number) for number in re.findall(r"\$(\d+)", statement.sql)})
    own = [None] * statement.leading
    assert numbers == list(range(1, len(statement.parameters(WriteSet(), *own)) + 1))


def test_every_relation_of_a_batch_is_written_by_a_statement():
    taken = {name for statement in STATEMENTS.values() for name in statement.relations}
    assert taken == set(row_types())
