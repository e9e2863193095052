"""Held tasks are looked at at once, and less often while many looks follow one another."""

import pytest

from visapi_orchestrator.tasks.rules.pacing import LOOK_S, REST_S, SAVED, SLOW_S, Outcome, Pace

STEP_S = 0.004
"""A look, and the least time until its worker's answer is committed."""


class Looking:
    """A function whose looks take a millisecond."""

    def __init__(self) -> None:
        self.pace, self.now_s = Pace(), 100.0

    def look(self, outcome: Outcome = "released", *, took_s: float = 0.001) -> None:
        self.pace.began(self.now_s)
        self.now_s += took_s
        self.pace.ended(self.now_s, outcome)

    def committed(self) -> float:
        """How long a task that is committed now waits for the next look."""
        self.pace.woken = True
        return max(0.0, self.pace.next_s - self.now_s)


@pytest.fixture
def looking() -> Looking:
    return Looking()


def test_the_first_task_is_looked_at_at_once(looking):
    assert looking.committed() == 0


def test_steps_that_follow_one_another_are_looked_at_at_once(looking):
    for _ in range(SAVED):
        assert looking.committed() == 0
        looking.look()
        looking.now_s += STEP_S


def test_tasks_as_far_apart_as_a_rest_never_wait(looking):
    for _ in range(1000):
        assert looking.committed() == pytest.approx(0)
        looking.look()
        looking.now_s += REST_S


@pytest.mark.parametrize("took_s", [0.001, 0.02])
def test_looks_that_go_on_and_on_are_a_rest_apart_however_long_they_take(looking, took_s):
    waited: list[float] = []
    for _ in range(100):
        looking.look(took_s=took_s)
        waited.append(looking.committed())
        looking.now_s += waited[-1]
    assert sum(waited) == pytest.approx((100 - SAVED) * REST_S)
    assert waited[-1] == pytest.approx(REST_S)
    looking.now_s += SAVED * REST_S
    assert looking.committed() == 0


def test_tasks_that_were_left_are_looked_at_later_after_each_look_in_vain(looking):
    looking.look()
    assert looking.pace.next_s - looking.now_s == pytest.approx(LOOK_S)
    for pause_s in (2 * LOOK_S, 4 * LOOK_S, 8 * LOOK_S, SLOW_S):
        looking.look("left")
        assert looking.pace.next_s - looking.now_s == pytest.approx(pause_s)
        looking.now_s = looking.pace.next_s
    looking.look()
    assert looking.pace.next_s - looking.now_s == pytest.approx(LOOK_S)


def test_while_another_process_looks_this_one_comes_back_soon_but_does_not_press(looking):
    looking.look("left")
    for pause_s in (0.01, 0.02, 0.04, 0.08, 0.16, SLOW_S, SLOW_S):
        looking.look("taken")
        assert looking.pace.next_s - looking.now_s == pytest.approx(pause_s)
        looking.now_s = looking.pace.next_s
