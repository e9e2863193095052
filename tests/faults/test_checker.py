"""A checker never seen failing proves nothing: each planted defect must be found."""

from dataclasses import replace

import pytest

from faults.checker import EffectSeen, Observation, RunSeen, judge
from kit.usage_rows import drift

_HISTORY = [(1, "workflow.started"), (2, "task.completed"), (3, "workflow.completed")]


def _healthy() -> Observation:
    return Observation(
        accepted=frozenset({"a", "b"}),
        unknown=0,
        runs={name: RunSeen(name, "completed", False, _HISTORY) for name in ("a", "b")},
        webhooks=[EffectSeen("a", "ka", "h"), EffectSeen("a", "ka", "h"), EffectSeen("b", "kb", "h")],
        mails=[EffectSeen("a", "ma", "h"), EffectSeen("b", "mb", "h")],
    )


def _with_run(seen: Observation, run: RunSeen) -> Observation:
    return replace(seen, runs={**seen.runs, run.id: run})


def test_a_healthy_run_has_no_violation() -> None:
    assert judge(_healthy()).violations == []


def test_a_run_that_calls_nobody_misses_nothing() -> None:
    seen = replace(_healthy(), webhooks=[], mails=[], without_effects=frozenset({"a", "b"}))
    assert judge(seen).violations == []


def test_a_held_run_without_its_mail_is_accounted_for() -> None:
    seen = _with_run(_healthy(), RunSeen("b", "waiting", True, _HISTORY[:2]))
    assert judge(replace(seen, mails=seen.mails[:1])).violations == []


@pytest.mark.parametrize(
    ("defect", "sentence"),
    [
        (lambda s: replace(s, runs={"a": s.runs["a"]}), "gone"),
        (lambda s: _with_run(s, RunSeen("b", "running", False, _HISTORY[:2])), "stuck"),
        (lambda s: _with_run(s, RunSeen("b", "faulted", False, _HISTORY)), "faulted"),
        (lambda s: _with_run(s, RunSeen("b", "cancelled", False, _HISTORY)), "cancelled by nobody"),
        (lambda s: replace(s, webhooks=s.webhooks[:2]), "never called"),
        (lambda s: replace(s, without_effects=frozenset({"b"})), "run b has an effect and calls nobody"),
        (lambda s: replace(s, webhooks=[*s.webhooks, EffectSeen("b", "other", "h")]), "2 effect keys"),
        (lambda s: replace(s, webhooks=[*s.webhooks, EffectSeen("b", "kb", "other")]), "2 different bodies"),
        (lambda s: replace(s, mails=[*s.mails, EffectSeen("b", "mb", "h")]), "sent 2 mails"),
        (lambda s: replace(s, mails=s.mails[:1]), "sent no mail"),
        (lambda s: replace(s, mails=[*s.mails, EffectSeen("z", "mz", "h")]), "were not accepted"),
        (lambda s: _with_run(s, RunSeen("b", "completed", False, [_HISTORY[0], _HISTORY[2]])), "not dense"),
        (
            lambda s: _with_run(s, RunSeen("b", "completed", False, [*_HISTORY, (4, "workflow.completed")])),
            "ends 2 times",
        ),
    ],
)
def test_a_planted_defect_is_found(defect, sentence: str) -> None:
    violations = judge(defect(_healthy())).violations
    assert sentence in " ".join(violations)


COUNTS = {"accepted": 5, "retried": 1, "completed": 3, "faulted": 1, "cancelled": 1}
RUNS = {"open": 1, "ended": 4}


def test_counts_of_usage_that_agree_have_no_drift() -> None:
    assert drift(COUNTS, RUNS) == []


@pytest.mark.parametrize(
    ("counts", "runs", "sentence"),
    [
        ({"accepted": 6}, {}, "6 runs are counted as accepted, 5 are there"),
        ({}, {"open": 2}, "5 runs are counted as accepted, 6 are there"),
        ({"completed": 4}, {}, "5 runs are counted as ended, 4 have ended"),
        ({"retried": 0}, {}, "5 runs are counted as ended, 4 have ended"),
        ({"cancelled": 0}, {}, "3 runs are counted as ended, 4 have ended"),
    ],
)
def test_a_drift_of_usage_is_found(counts: dict[str, int], runs: dict[str, int], sentence: str) -> None:
    assert sentence in drift(COUNTS | counts, RUNS | runs)
