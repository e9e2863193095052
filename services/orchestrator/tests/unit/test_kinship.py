"""Who may start runs: the bounds of families and of tenants."""

from uuid import UUID

from visapi_orchestrator.transitions.relations.children import ChildRow
from visapi_orchestrator.transitions.rules.kinship import Allotment, Kin, Room

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
) -> Kin:
    room = Room(cancelled, open_now, tenant_room, 100)
    rooms: dict[tuple[UUID | None, str], Room] = {
        (root, "default"): room for root in {child.root for child in wanted}
    }
    return Allotment(rooms, open_max).decide(wanted)


def test_what_fits_is_started():
    assert decide(children((1, ROOT, False), (2, ROOT, False)), open_now=8).refused == frozenset()


def test_the_run_that_would_pass_the_bound_is_told_how_much_room_there_is():
    kin = decide(children((1, ROOT, False), (2, ROOT, False), (2, ROOT, False)), open_now=8)
    assert kin.refused == {UUID(int=2)}
    assert kin.short[UUID(int=2)].room == 1
    assert "10 open descendants" in kin.short[UUID(int=2)].reason


def test_a_family_takes_no_room_from_another():
    kin = decide(children((1, ROOT, False), (1, ROOT, False), (2, OTHER, False)), open_now=8)
    assert kin.refused == frozenset()


def test_what_would_start_runs_under_a_cancelled_root_is_doomed():
    kin = decide(children((1, ROOT, False)), cancelled=True)
    assert (kin.doomed, kin.short) == ({UUID(int=1)}, {})


def test_a_listener_goes_on_without_what_it_may_not_start():
    kin = decide(children((1, ROOT, True), (1, ROOT, True)), open_now=9)
    assert (kin.refused, kin.left_out) == (frozenset(), {UUID(int=1001)})
    kin = decide(children((1, ROOT, True)), cancelled=True)
    assert (kin.refused, kin.left_out) == (frozenset(), {UUID(int=1000)})


def test_the_room_of_a_tenant_bounds_all_its_families():
    kin = decide(children((1, ROOT, False), (2, OTHER, False), (3, ROOT, False)), tenant_room=2)
    assert kin.refused == {UUID(int=3)}
    assert "100 open runs" in kin.short[UUID(int=3)].reason


def test_a_tenant_above_its_bound_has_no_room_and_not_less_than_none():
    kin = decide(children((1, None, False)), tenant_room=-5)
    assert kin.short[UUID(int=1)].room == 0


def test_a_family_that_nobody_may_lock_gives_no_room():
    kin = Allotment({}, 10).decide(children((1, ROOT, False)))
    assert kin.doomed == {UUID(int=1)}
