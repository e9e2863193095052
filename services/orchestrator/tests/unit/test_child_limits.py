"""Who may start runs: the bounds of families and of tenants."""

from uuid import UUID

from visapi_orchestrator.transitions.relations.children import ChildRow
from visapi_orchestrator.transitions.rules.child_limits import Allotment, ChildVerdict, FamilyRoom

ROOT, OTHER = UUID(int=1), UUID(int=2)


def children(*wanted: tuple[int, UUID | None, bool]) -> list[ChildRow]:
    """`parent`, root, and whether the listener of a schedule starts it."""
    return [
        ChildRow(
            run=UUID(int=parent),
            id=UUID(int=1000 + number),
            parent_path=None,
            tenant="default",
            namespace="n",
            name="w",
            version="1.0.0",
            program="70",
            trace=None,
            input=b"null",
            priority=5,
            root=root,
            depth=1,
            created_ms=1,
            test=False,
            by_listener=by_listener,
        )
        for number, (parent, root, by_listener) in enumerate(wanted)
    ]


def decide(
    wanted: list[ChildRow],
    *,
    open_now: int = 0,
    open_max: int = 10,
    cancelled: bool = False,
    tenant_room: int | None = None,
) -> ChildVerdict:
    room = FamilyRoom(cancelled, open_now, tenant_room, 100)
    rooms: dict[tuple[UUID | None, str], FamilyRoom] = {
        (root, "default"): room for root in {child.root for child in wanted}
    }
    return Allotment(rooms, open_max).decide(wanted)


def test_what_fits_is_started():
    assert decide(children((1, ROOT, False), (2, ROOT, False)), open_now=8).refused == frozenset()


def test_the_run_that_would_pass_the_bound_is_told_how_much_room_there_is():
    child_verdict = decide(children((1, ROOT, False), (2, ROOT, False), (2, ROOT, False)), open_now=8)
    assert child_verdict.refused == {UUID(int=2)}
    assert child_verdict.limited[UUID(int=2)].room == 1
    assert "10 open descendants" in child_verdict.limited[UUID(int=2)].reason


def test_a_family_takes_no_room_from_another():
    child_verdict = decide(children((1, ROOT, False), (1, ROOT, False), (2, OTHER, False)), open_now=8)
    assert child_verdict.refused == frozenset()


def test_what_would_start_runs_under_a_cancelled_root_is_doomed():
    child_verdict = decide(children((1, ROOT, False)), cancelled=True)
    assert (child_verdict.cancelled_parents, child_verdict.limited) == ({UUID(int=1)}, {})


def test_a_listener_goes_on_without_what_it_may_not_start():
    child_verdict = decide(children((1, ROOT, True), (1, ROOT, True)), open_now=9)
    assert (child_verdict.refused, child_verdict.skipped) == (frozenset(), {UUID(int=1001)})
    child_verdict = decide(children((1, ROOT, True)), cancelled=True)
    assert (child_verdict.refused, child_verdict.skipped) == (frozenset(), {UUID(int=1000)})


def test_the_room_of_a_tenant_bounds_all_its_families():
    child_verdict = decide(children((1, ROOT, False), (2, OTHER, False), (3, ROOT, False)), tenant_room=2)
    assert child_verdict.refused == {UUID(int=3)}
    assert "100 open runs" in child_verdict.limited[UUID(int=3)].reason


def test_a_tenant_above_its_bound_has_no_room_and_not_less_than_none():
    child_verdict = decide(children((1, None, False)), tenant_room=-5)
    assert child_verdict.limited[UUID(int=1)].room == 0


def test_a_family_that_nobody_may_lock_gives_no_room():
    child_verdict = Allotment({}, 10).decide(children((1, ROOT, False)))
    assert child_verdict.cancelled_parents == {UUID(int=1)}
