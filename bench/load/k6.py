"""Runs k6 and reads what it noted of each start."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.load.profiles import Profile, k6_scenario, k6_thresholds

_ROOT = Path(__file__).parents[2]
_K6 = _ROOT / ".tools" / "bin" / "k6"
_SCRIPT = Path(__file__).with_name("start_runs.js")
_GAVE_UP = 99
"""The exit code of k6 when a threshold ended the load."""


@dataclass(frozen=True)
class Answer:
    """One start: when it was sent (Unix seconds), how long the answer took, and what it said. Status 0: no
    answer came.
    """

    at: float
    ms: float
    status: int
    run: str


@dataclass(frozen=True)
class Sent:
    """What the generator did. `dropped` starts were due, and no virtual user was free to send them."""

    answers: list[Answer]
    dropped: int
    gave_up: bool


def run_k6(load: Profile, *, url: str, key: str, body: str, folder: Path) -> Sent:
    """Send the load of a profile; returns when the last answer has come."""
    if not _K6.exists():
        raise SystemExit('k6 is not installed: run make deploy-tools SETS="load"')
    plan, lines, summary = folder / "plan.json", folder / "answers.txt", folder / "summary.json"
    plan.touch(mode=0o600)
    plan.write_bytes(
        msgspec.json.encode(
            {
                "scenario": k6_scenario(load),
                "thresholds": k6_thresholds(load),
                "name": load.name,
                "url": url,
                "key": key,
                "body": body,
                "summary": str(summary),
            }
        )
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PLAN": str(plan),
        "K6_NO_USAGE_REPORT": "true",
    }
    options = ["--quiet", "--log-format", "raw", "--console-output", str(lines)]
    done = subprocess.run(
        [str(_K6), "run", *options, str(_SCRIPT)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, _GAVE_UP) or not summary.exists():
        raise SystemExit(f"k6 ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    metrics: Mapping[str, Any] = msgspec.json.decode(summary.read_bytes())["metrics"]
    dropped = int(metrics["dropped_iterations"]["values"]["count"]) if "dropped_iterations" in metrics else 0
    return Sent(read_answers(lines.read_text()), dropped, gave_up=done.returncode == _GAVE_UP)


def read_answers(text: str) -> list[Answer]:
    answers: list[Answer] = []
    for line in text.splitlines():
        at, took, status, run = line.split()
        answers.append(Answer(int(at) / 1000, float(took), int(status), run))
    return answers
