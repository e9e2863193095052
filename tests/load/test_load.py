"""The load that `make load` puts on a stack, in its short form, and the judgement of what became of it."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from kit.deploy_tools import ROOT

sys.path.append(str(ROOT))

from bench.load.account import RunSeen, Seen, account, highest_steady_rate
from bench.load.k6 import Answer, Sent
from bench.load.profiles import NAMES, k6_scenario, profile

SECONDS = 120
ERRORS_MAX = 0.1


@pytest.mark.full
@pytest.mark.timeout(600)
def test_every_start_of_two_minutes_of_load_completes_once(tmp_path: Path) -> None:
    """No latency is asserted: the machine may be shared. The report prints it."""
    subprocess.run([sys.executable, "tools/deploy_tools.py", "load"], cwd=ROOT, check=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VISAPI_")}
    environment["PYTHONPATH"] = str(ROOT / "tests")
    out = tmp_path / "load.json"
    command = [sys.executable, "-m", "bench.load", "--minutes", str(SECONDS / 60), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    print(done.stdout)
    assert out.exists(), done.stdout + done.stderr
    found = {finding["name"]: finding["value"] for finding in json.loads(out.read_text())["findings"]}
    assert found["accepted"] > 0.99 * 5000 * SECONDS / 60
    assert found["completed"] == found["accepted"]
    assert (found["lost"], found["doubled"], found["effects missing"]) == (0, 0, 0)
    assert found["errors"] < ERRORS_MAX


def seen(runs: Mapping[str, str], *, keys: int, effects: Mapping[str, int], left: int = 0) -> Seen:
    return Seen(
        {run: RunSeen(status, 0.1, 1.0) for run, status in runs.items()}, left, keys, Counter(effects)
    )


def sent(*answers: tuple[int, str], dropped: int = 0) -> Sent:
    return Sent([Answer(0.0, 1.0, status, run) for status, run in answers], dropped, gave_up=False)


LOAD = profile("sustained", minutes=1)


def test_a_load_without_a_fault_balances() -> None:
    judged = account(
        LOAD, sent((202, "a"), (202, "b")), seen({"a": "completed", "b": "completed"}, keys=2, effects={"k": 1, "l": 1}),
        effects_per_run=1,
    )  # fmt: skip
    assert (judged.lost, judged.doubled, judged.missing_effects, judged.errors) == (0, 0, 0, 0)


def test_an_accepted_start_without_a_run_is_lost() -> None:
    judged = account(
        LOAD,
        sent((202, "a"), (202, "b")),
        seen({"a": "completed"}, keys=1, effects={"k": 1}),
        effects_per_run=1,
    )
    assert judged.lost == 1


def test_a_faulted_run_is_lost_to_its_caller() -> None:
    judged = account(LOAD, sent((202, "a")), seen({"a": "faulted"}, keys=1, effects={}), effects_per_run=1)
    assert judged.lost == 1


def test_two_runs_of_one_key_are_doubled() -> None:
    found = seen({"a": "completed", "b": "completed"}, keys=1, effects={"k": 1, "l": 1})
    assert account(LOAD, sent((202, "a")), found, effects_per_run=1).doubled == 1


def test_an_effect_that_was_done_twice_is_doubled() -> None:
    found = seen({"a": "completed"}, keys=1, effects={"k": 2})
    assert account(LOAD, sent((202, "a")), found, effects_per_run=1).doubled == 1


def test_a_completed_run_without_its_effects_is_found() -> None:
    found = seen({"a": "completed"}, keys=1, effects={"k": 1})
    assert account(LOAD, sent((202, "a")), found, effects_per_run=3).missing_effects == 2


def test_starts_that_were_refused_unanswered_or_never_sent_are_errors() -> None:
    judged = account(
        LOAD,
        sent((202, "a"), (503, "-"), (0, "-"), dropped=1),
        seen({}, keys=0, effects={}),
        effects_per_run=1,
    )
    assert judged.errors == 3
    assert judged.errors_share == 0.75


def test_a_start_without_an_answer_that_became_a_run_is_not_doubled() -> None:
    judged = account(
        LOAD, sent((0, "-")), seen({"a": "completed"}, keys=1, effects={"k": 1}), effects_per_run=1
    )
    assert (judged.doubled, judged.lost, judged.unanswered) == (0, 0, 1)


def test_the_highest_steady_rate_is_that_before_answers_become_slow() -> None:
    answers = [Answer(second + part / 100, 5.0, 202, "r") for second in range(5) for part in range(100)]
    answers += [Answer(5 + second + part / 200, 5.0, 202, "r") for second in range(5) for part in range(200)]
    answers += [
        Answer(10 + second + part / 300, 900.0, 202, "r") for second in range(5) for part in range(300)
    ]
    assert highest_steady_rate(answers) == pytest.approx(200, rel=0.01)


def test_the_sustained_load_is_5000_a_minute_and_150000_in_half_an_hour() -> None:
    load = profile("sustained", minutes=30)
    assert load.planned == 150_000
    assert k6_scenario(load)["executor"] == "constant-arrival-rate"


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_is_an_open_loop_of_the_length_that_was_asked_for(name: str) -> None:
    load = profile(name, minutes=2)
    assert k6_scenario(load)["executor"].endswith("arrival-rate")
    assert load.seconds == pytest.approx(120, rel=0.06)
