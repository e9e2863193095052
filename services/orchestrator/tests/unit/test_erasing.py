"""A tenant is erased in passes over all tables: none is forgotten, and the last pass finds nothing. What its producers go
on publishing is not kept.
"""

import re
from collections.abc import Mapping
from importlib import resources

from hypothesis import given
from hypothesis import strategies as st

from kit.fakes.clocks import FakeClock
from kit.fakes.dead_letters import FakeDeadLetters
from kit.fakes.nats import FakeNats
from kit.fakes.rows import FakeRows
from kit.fakes.tenants import FakeTenants
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts import subjects
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.events.set_aside_messages import RefusedMessage, SetAsideMessages
from visapi_orchestrator.kernel.rules.arriving_events import BadEvent, TenantDisabled
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


class Delivered:
    """See `events.set_aside_messages.Message`."""

    def __init__(self, tenant: str) -> None:
        self.subject = subjects.event(tenant, "paid")
        self.data = b"{private"
        self.headers: Mapping[str, str] = {}
        self.ends: list[str] = []

    def nak(self, delay_s: float | None = None) -> None:
        self.ends.append("nak")

    def term(self, reason: str = "") -> None:
        self.ends.append(reason)


async def test_messages_of_an_erased_tenant_are_dropped_and_counted_and_those_of_others_are_kept() -> None:
    rows, metrics = FakeRows(), open_metrics()
    quarantine = Quarantine(FakeDeadLetters(rows), FakeNats(rows), metrics)
    tenants = FakeTenants("gone", "acme")
    tenants.erasing = {"gone"}
    set_aside = SetAsideMessages(quarantine, tenants, FakeClock(), metrics)
    disabled, unreadable, other = Delivered("gone"), Delivered("gone"), Delivered("acme")
    await set_aside.bury(
        [
            RefusedMessage(disabled, TenantDisabled("gone")),
            RefusedMessage(unreadable, BadEvent("no event")),
            RefusedMessage(other, BadEvent("no event")),
        ]
    )
    assert [letter.tenant for letter in rows.dead_letters] == ["acme"]
    assert disabled.ends == unreadable.ends == ["dropped: the tenant is erased"]
    assert other.ends == ["set aside as a dead letter"]
    dropped = metrics.registry.get_sample_value("visapi_events_dropped_total", {"reason": "erased"})
    assert dropped == 2
