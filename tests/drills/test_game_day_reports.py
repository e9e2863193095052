"""A report that could not say "lost" would prove nothing: each thing that may go wrong on a game day stands in its page."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gamedays.report
from faults.checker import EffectSeen, Observation, RunSeen, judge
from gamedays.blows import BLOWS
from gamedays.door import Entry
from gamedays.figures import CALM, Ends, figures, recovery_s, spans
from gamedays.report import Day, Heard, failures, page
from gamedays.steady_load import INSIDE, OUTSIDE, Start

EXPERIMENTS = sorted(Path(gamedays.report.__file__).parent.glob("experiments/*.yaml"))
HISTORY = [(1, "workflow.started"), (2, "workflow.completed")]
LASTING = Entry(
    "nats-gone", "`SIGKILL` of NATS", 1000.0, 1040.0, {"alert NatsDisconnected": 31.25}, recovered_s=4.5
)


def seen(**changes: Any) -> Observation:
    healthy = Observation(
        accepted=frozenset({"a", "b"}),
        unknown=0,
        runs={run: RunSeen(run, "completed", False, HISTORY) for run in ("a", "b")},
        webhooks=[EffectSeen("a", "ka", "h")],
        mails=[EffectSeen("a", "ma", "h")],
        without_effects=frozenset({"b"}),
    )
    return replace(healthy, **changes)


def probe(output: str = "3.0", *, met: bool = True) -> dict[str, Any]:
    activity = {"name": "runs accepted", "tolerance": {"range": [2.2, 3.8]}}
    return {"activity": activity, "tolerance_met": met, "output": {"body": output}}


def day(**changes: Any) -> Day:
    held = Day(
        number=1,
        target="make gameday N=1",
        held_at="2026-01-01 10:00 UTC",
        machine="2 cores",
        took_s=200.0,
        runs_per_s=3,
        journal={
            "experiment": {"title": "Broker loss", "description": "NATS dies."},
            "steady_states": {"before": {"probes": [probe()]}, "after": {"probes": [probe("2.9")]}},
            "run": [{"activity": {"name": "NATS dies"}, "status": "succeeded"}],
        },
        entries=[LASTING],
        figures=[],
        heard=[Heard("nats-gone", 31.25, "NatsDisconnected", "pager")],
        verdict=judge(seen()),
        never_accepted=0,
    )
    return replace(held, **changes)


def test_a_day_without_losses_says_so_with_its_numbers() -> None:
    text = page(day())
    assert failures(day()) == []
    assert "Nothing was lost and nothing was doubled.\nPassed." in text
    assert "| `SIGKILL` of NATS | 40 s | alert `NatsDisconnected` after 31.2 s | 4.5 s |" in text
    assert "| runs accepted | 2.2 to 3.8 | 3 | 2.9 |" in text
    assert "| accepted | 2 |" in text
    assert "Lost or doubled: 0." in text


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"runs": {"b": RunSeen("b", "completed", False, HISTORY)}}, "run a was accepted and is gone"),
        (
            {"mails": [EffectSeen("a", "ma", "h"), EffectSeen("a", "mb", "h")]},
            "run a sent 2 mails",
        ),
        ({"webhooks": []}, "run a completed and its webhook was never called"),
        (
            {"webhooks": [EffectSeen("a", "ka", "h"), EffectSeen("a", "kb", "h")]},
            "run a reached its webhook under 2 effect keys",
        ),
    ],
)
def test_a_report_shows_what_the_checker_found(damage: dict[str, Any], sentence: str) -> None:
    text = page(day(verdict=judge(seen(**damage))))
    assert "**LOST OR DOUBLED: 1.**\n**Not passed.**" in text
    assert f"- {sentence}" in text
    assert "Lost or doubled: 1." in text
    assert "Nothing was lost" not in text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"never_accepted": 2}, "2 starts were never accepted"),
        ({"entries": [replace(LASTING, detected={"alert X": None})]}, "nats-gone: alert X did not tell"),
        ({"entries": [replace(LASTING, released={"locks": None})]}, "nats-gone: locks were still held"),
        ({"entries": [replace(LASTING, recovered_s=None)]}, "nats-gone: runs from before were still open"),
        ({"journal": {**day().journal, "steady_states": {}}}, "the hypothesis was not tried after the blows"),
        (
            {"journal": {**day().journal, "run": [{"activity": {"name": "heal"}, "status": "failed"}]}},
            "heal: failed",
        ),
        (
            {
                "journal": {
                    **day().journal,
                    "steady_states": {
                        "before": {"probes": [probe()]},
                        "after": {"probes": [probe("0.1", met=False)]},
                    },
                }
            },
            "the hypothesis did not hold after the blows: runs accepted was 0.1",
        ),
    ],
)
def test_a_day_that_lost_nothing_may_fail_all_the_same(change: dict[str, Any], sentence: str) -> None:
    text = page(day(**change))
    assert "Nothing was lost and nothing was doubled.\n**Not passed.**" in text
    assert f"- {sentence}" in text


def test_what_clients_saw_is_told_for_each_part_of_the_day() -> None:
    parts = spans(0.0, [("nats-gone", 10.0), ("nats-store-lost", 20.0)], 30.0)
    starts = [
        Start(INSIDE, 1.0, 1.1, "a"),
        Start(INSIDE, 11.0, 14.0, "b", Counter({503: 2, 0: 1})),
        Start(OUTSIDE, 12.0, 12.1, "c"),
        Start(OUTSIDE, 13.0, 13.2, "d"),
        Start(OUTSIDE, 25.0),
    ]
    times = {"a": (1.0, 1.25), "b": (14.0, 14.5), "d": (13.0, 19.0)}
    calm, gone, lost = (figures(part, starts, times) for part in parts)
    assert (calm.span, calm.starts, calm.refused) == (CALM, 1, {})
    assert (gone.starts, gone.refused, gone.slowest_start_s) == (3, {0: 1, 503: 2}, 3.0)
    assert (gone.inside, gone.outside) == (Ends(1, 0.5, 0.5), Ends(1, 6.0, 6.0))
    assert (lost.starts, lost.outside) == (1, Ends(0, 0.0, 0.0))
    text = page(day(figures=[calm, gone, lost]))
    assert (
        "| nats-gone | 3 | no answer: 1, 503: 2 | 3.00 s | 0.50 s, 0.50 s (of 1) | 6.00 s, 6.00 s (of 1) |"
        in text
    )


def test_recovery_lasts_until_the_last_run_from_before_has_ended() -> None:
    starts = [Start(INSIDE, 1.0, 1.1, "a"), Start(INSIDE, 2.0, 2.1, "b"), Start(INSIDE, 9.0, 9.1, "later")]
    times = {"a": (1.0, 3.0), "b": (2.0, 8.5), "later": (9.0, 30.0)}
    assert recovery_s(5.0, starts, times, frozenset()) == 3.5
    assert recovery_s(5.0, starts, {"a": (1.0, 3.0)}, frozenset()) is None
    assert recovery_s(5.0, starts, {"a": (1.0, 3.0)}, frozenset({"b"})) == -2.0


def test_a_500_is_a_defect() -> None:
    part = spans(0.0, [], 30.0)[0]
    starts = [Start(INSIDE, 1.0, 2.0, "a", Counter({500: 1}))]
    assert failures(day(figures=[figures(part, starts, {})])) == [
        "1 starts were answered 500, which is a defect"
    ]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_strikes_what_exists_and_heals_what_lasts(experiment: Path) -> None:
    verbs = re.findall(r"\{door\}/(strike|heal|recovered)/([\w-]+)", experiment.read_text())
    struck = [name for verb, name in verbs if verb == "strike"]
    assert set(struck) <= set(BLOWS)
    assert [name for verb, name in verbs if verb == "heal"] == [
        name for name in struck if not BLOWS[name].heals
    ]
    assert [name for verb, name in verbs if verb == "recovered"] == struck
