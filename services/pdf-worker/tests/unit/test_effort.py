"""Renderers that work longer than an ordinary document give way."""

from visapi_pdf_worker.browser.process_tree import Weight
from visapi_pdf_worker.browser.rules.effort import GIVE_WAY_AFTER_S, Effort

LONG = GIVE_WAY_AFTER_S + 0.01


def renderer(pid: int, cpu_s: float) -> Weight:
    return Weight(pid, 0.0, 0.0, True, cpu_s)


def test_a_renderer_that_works_long_on_one_document_gives_way() -> None:
    effort = Effort()
    assert effort.look(10.0, 10.0, [renderer(1, 7.0)]) == set()
    assert effort.look(10.3, 10.0, [renderer(1, 7.0 + LONG)]) == {1}


def test_a_renderer_that_prints_many_short_documents_does_not() -> None:
    effort = Effort()
    for tenth in range(100):
        now = tenth / 10
        assert effort.look(now, now - 0.05, [renderer(1, now)]) == set()


def test_the_whole_work_of_a_new_renderer_counts() -> None:
    effort = Effort()
    effort.look(10.0, 10.0, [renderer(1, 7.0)])
    assert effort.look(10.3, 10.0, [renderer(1, 7.0), renderer(2, LONG)]) == {2}


def test_processes_that_all_documents_share_never_give_way() -> None:
    effort = Effort()
    assert effort.look(10.3, 10.0, [Weight(3, 0.0, 0.0, False, 100.0)]) == set()
    assert effort.look(11.3, 10.0, [Weight(3, 0.0, 0.0, False, 101.0)]) == set()
