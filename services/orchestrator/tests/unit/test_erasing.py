"""A tenant is erased in passes over all tables: none is forgotten, and the last pass finds nothing."""

import re
from importlib import resources

from hypothesis import given
from hypothesis import strategies as st

from visapi_common.adapters.queries import load_queries
from visapi_orchestrator.upkeep.rules.erasing import OBJECTS, STEPS, Piece, Place, place_after

SCHEMA = resources.files("visapi_common").joinpath("sql/schema.sql").read_text()
BLOCKS = load_queries("visapi_orchestrator.upkeep.store", "erasures.sql")
KEPT = {"audit", "tenant_erasures"}


def test_every_table_that_holds_something_of_a_tenant_or_a_run_is_emptied() -> None:
    tables = re.findall(r"^create table (\w+) \(\n(.*?)^\)", SCHEMA, re.MULTILINE | re.DOTALL)
    owned = {name for name, body in tables if re.search(r"^    (tenant|owner|run) ", body, re.MULTILINE)}
    emptied = {found for text in BLOCKS.values() for found in re.findall(r"delete from (\w+)", text)}
    assert len(owned) > 40
    assert owned - emptied == KEPT


def test_every_step_has_a_block_of_its_own() -> None:
    blocks = {step for step in STEPS if step not in (*OBJECTS, "runs", "runs_done")}
    assert blocks <= set(BLOCKS)


@given(st.lists(st.integers(0, 3), max_size=200))
def test_the_last_pass_finds_nothing_and_every_step_was_looked_at_in_it(gone: list[int]) -> None:
    place: Place | None = Place()
    seen: list[tuple[str, int]] = []
    left = iter(gone)
    while place is not None:
        number = next(left, 0)
        seen.append((place.step, number))
        place = place_after(place, Piece(number, more=number == 3))
    assert [step for step, _ in seen[-len(STEPS) :]] == list(STEPS)
    assert {number for _, number in seen[-len(STEPS) :]} == {0}
