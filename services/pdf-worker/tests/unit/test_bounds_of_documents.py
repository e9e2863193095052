"""Which process is ended for its memory, and how long a tenant stays under suspicion."""

from pathlib import Path

from visapi_pdf_worker.browser.private_folder import private_folder, sweep
from visapi_pdf_worker.browser.process_tree import Weight
from visapi_pdf_worker.browser.rules.memory import Excess, excess, limit_of
from visapi_pdf_worker.functions.render.rules.suspects import SUSPECT_S, Suspects

LIMIT = limit_of(1000, 2)


def renderer(pid: int, own: float, shared: float = 0.0) -> Weight:
    return Weight(pid, own, shared, renderer=True)


def other(pid: int, own: float, shared: float = 0.0) -> Weight:
    return Weight(pid, own, shared, renderer=False)


def test_a_renderer_above_its_bound_is_ended_and_one_below_is_not():
    assert excess([other(1, 90), renderer(2, 1001)], LIMIT) == Excess(2, 1001)
    assert excess([other(1, 90), renderer(2, 600, 401), renderer(3, 999)], LIMIT) == Excess(2, 1001)
    assert excess([other(1, 90), renderer(2, 999), renderer(3, 999)], LIMIT) is None
    assert excess([], LIMIT) is None


def test_many_small_renderers_together_are_bounded_too():
    found = excess([renderer(pid, 900) for pid in range(1, 5)], LIMIT)
    assert found is not None
    assert found.pid in range(1, 5)


def test_memory_that_processes_share_is_counted_once():
    assert excess([renderer(1, 100, 800), other(2, 100, 800), other(3, 100, 800)], LIMIT) is None


def test_the_whole_browser_is_ended_when_no_renderer_is_to_blame():
    assert excess([other(1, 1700), renderer(2, 100)], LIMIT) == Excess(0, 1800)


def test_suspicion_ends_and_is_bounded_in_number():
    suspects = Suspects()
    suspects.add("a", 10.0)
    assert suspects.holds("a", 10.0 + SUSPECT_S - 1)
    assert not suspects.holds("a", 10.0 + SUSPECT_S)
    assert not suspects.holds("b", 10.0)
    for number in range(2000):
        suspects.add(f"t{number}", 10.0)
    assert not suspects.holds("t0", 10.0)
    assert suspects.holds("t1999", 10.0)


def test_the_folder_of_a_dead_worker_is_removed_and_that_of_a_live_one_stays(tmp_path: Path):
    dead = tmp_path / "visapi-pdf-dead"
    (dead / "tmp" / "profile").mkdir(parents=True)
    (dead / "lock").touch()
    with private_folder(tmp_path) as alive:
        assert not dead.exists()
        sweep(tmp_path)
        assert alive.exists()
    assert not alive.exists()
