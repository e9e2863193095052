"""Renderers that work longer than an ordinary document give way; those that flood the browser are found."""

from visapi_pdf_worker.browser.process_tree import Weight
from visapi_pdf_worker.browser.rules.effort import (
    FLOOD_AFTER_S,
    FLOOD_SHARE,
    FLOOD_WITHIN_S,
    GIVE_WAY_AFTER_S,
    Effort,
)

LONG = GIVE_WAY_AFTER_S + 0.01


def renderer(pid: int, cpu_s: float) -> Weight:
    return Weight(pid, 0.0, 0.0, True, cpu_s)


def looked(effort: Effort, now: float, begun: float, *weights: Weight) -> set[int]:
    effort.look(now, begun, weights)
    return effort.long()


def speaking(pid: int, *, main_s: float, messages_s: float) -> Weight:
    return Weight(pid, 0.0, 0.0, True, main_s + messages_s, main_s, messages_s)


def test_a_renderer_that_works_long_on_one_document_gives_way() -> None:
    effort = Effort()
    assert looked(effort, 10.0, 10.0, renderer(1, 7.0)) == set()
    assert looked(effort, 10.3, 10.0, renderer(1, 7.0 + LONG)) == {1}


def test_a_renderer_that_prints_many_short_documents_does_not() -> None:
    effort = Effort()
    for tenth in range(100):
        now = tenth / 10
        assert looked(effort, now, now - 0.05, renderer(1, now)) == set()


def test_the_whole_work_of_a_new_renderer_counts() -> None:
    effort = Effort()
    looked(effort, 10.0, 10.0, renderer(1, 7.0))
    assert looked(effort, 10.3, 10.0, renderer(1, 7.0), renderer(2, LONG)) == {2}


def test_processes_that_all_documents_share_never_give_way() -> None:
    effort = Effort()
    assert looked(effort, 10.3, 10.0, Weight(3, 0.0, 0.0, False, 100.0)) == set()
    assert looked(effort, 11.3, 10.0, Weight(3, 0.0, 0.0, False, 101.0)) == set()


def test_a_renderer_that_speaks_with_the_browser_without_end_floods_it() -> None:
    effort = Effort()
    much = FLOOD_AFTER_S + 0.01
    effort.look(10.0, 10.0, [speaking(1, main_s=5.0, messages_s=5.0)])
    assert effort.floods() == set()
    effort.look(10.3, 10.0, [speaking(1, main_s=5.0 + much / FLOOD_SHARE - 0.01, messages_s=5.0 + much)])
    assert effort.floods() == {1}


def test_a_renderer_that_mostly_works_on_its_document_does_not_flood() -> None:
    effort = Effort()
    effort.look(10.0, 10.0, [speaking(1, main_s=0.0, messages_s=0.0)])
    effort.look(12.0, 10.0, [speaking(1, main_s=0.5 / FLOOD_SHARE, messages_s=0.5)])
    assert effort.floods() == set()


def test_a_renderer_that_prints_small_documents_while_another_document_waits_does_not_flood() -> None:
    """It needs a part of its time for messages, however many documents it printed since the other was begun."""
    effort = Effort()
    for tenth in range(70):
        at = tenth / 10
        effort.look(at, 0.0, [speaking(1, main_s=0.5 * at, messages_s=0.5 * at * 0.28)])
        assert effort.floods() == set()


def test_messages_of_long_ago_do_not_count_as_a_flood() -> None:
    effort = Effort()
    for tenth in range(50):
        at = tenth / 10
        few = 0.9 * FLOOD_AFTER_S / FLOOD_WITHIN_S * at
        effort.look(at, 0.0, [speaking(1, main_s=few, messages_s=few)])
        assert effort.floods() == set()
