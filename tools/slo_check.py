"""Ask Prometheus whether a stack keeps its objectives (deploy/observability/objectives.toml).

    python tools/slo_check.py --prometheus URL --selector 'namespace="visapi"'
    python tools/slo_check.py … --settle 120 --watch 600    wait, then ask for ten minutes

Exit codes: 0 kept, 1 missed so often in a row as --strikes says, 2 wrong arguments, 3 nobody knows,
because Prometheus does not answer or has no series. VISAPI_PROMETHEUS_TOKEN is sent as a bearer token,
where it is set.
"""

import argparse
import math
import os
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from string import Template

import httpx

ROOT = Path(__file__).resolve().parent.parent
OBJECTIVES = ROOT / "deploy/observability/objectives.toml"
TIMEOUT_S = 10.0


class Verdict(IntEnum):
    """What is known about an objective, or about all; the numbers are the exit codes."""

    KEPT = 0
    MISSED = 1
    UNKNOWN = 3


class ObjectivesError(Exception):
    """The file of objectives is wrong; the message says where."""


class NoAnswerError(Exception):
    """Prometheus gave no number; the message says why."""


@dataclass(frozen=True)
class Objective:
    """A query that answers one number, and a bound for it."""

    name: str
    says: str
    query: str
    at_most: float = math.inf
    at_least: float = -math.inf

    def judge(self, value: float) -> Verdict:
        """NaN is kept: a rate of nothing by nothing, because nothing happened."""
        kept = math.isnan(value) or self.at_least <= value <= self.at_most
        return Verdict.KEPT if kept else Verdict.MISSED

    @property
    def bound(self) -> str:
        return f"at most {self.at_most:g}" if self.at_most != math.inf else f"at least {self.at_least:g}"


@dataclass(frozen=True)
class Asked:
    """Which Prometheus is asked what, and how often."""

    url: str
    token: str
    selector: str
    window: str
    settle_s: float
    watch_s: float
    every_s: float
    strikes: int


def main(arguments: Sequence[str] | None = None) -> int:
    asked, path = parsed(arguments)
    try:
        objectives = read(path)
    except (ObjectivesError, OSError) as error:
        sys.stderr.write(f"slo-check: {error}\n")
        return 2
    headers = {"Authorization": f"Bearer {asked.token}"} if asked.token else {}
    with httpx.Client(base_url=asked.url, headers=headers, timeout=TIMEOUT_S) as http:
        return watch(http, objectives, asked)


def parsed(arguments: Sequence[str] | None) -> tuple[Asked, Path]:
    parser = argparse.ArgumentParser(description="Ask Prometheus whether a stack keeps its objectives.")
    environ = os.environ
    parser.add_argument("--prometheus", default=environ.get("VISAPI_PROMETHEUS_URL", ""), help="its address")
    parser.add_argument("--selector", default="", help="""labels of the stack: namespace="visapi" """)
    parser.add_argument("--objectives", type=Path, default=OBJECTIVES)
    parser.add_argument("--window", default="2m", help="how far a query looks back")
    parser.add_argument("--settle", type=float, default=0.0, help="seconds to wait before the first question")
    parser.add_argument("--watch", type=float, default=0.0, help="seconds to go on asking; 0 asks once")
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two questions")
    parser.add_argument(
        "--strikes", type=int, default=2, help="answers in a row that decide while it watches"
    )
    given = parser.parse_args(arguments)
    if not given.prometheus.startswith(("http://", "https://")):
        parser.error(
            "--prometheus (or VISAPI_PROMETHEUS_URL) wants the address of Prometheus, http://… or https://…"
        )
    if given.every <= 0 or given.strikes < 1 or given.watch < 0 or given.settle < 0:
        parser.error("--every and --strikes are above 0, --watch and --settle at least 0")
    return Asked(
        url=given.prometheus, token=environ.get("VISAPI_PROMETHEUS_TOKEN", ""), selector=given.selector,
        window=given.window, settle_s=given.settle, watch_s=given.watch, every_s=given.every,
        strikes=given.strikes if given.watch else 1,
    ), given.objectives  # fmt: skip


def read(path: Path) -> list[Objective]:
    """The objectives of a file. Raises `ObjectivesError` for a wrong one, `OSError` without a file."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))["objective"]
        objectives = [Objective(**each) for each in given]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ObjectivesError(
            f"{path}: not a list of [[objective]] with name, says, query and a bound: {error}"
        ) from error
    for each in objectives:
        if each.at_most == math.inf and each.at_least == -math.inf:
            raise ObjectivesError(f"{path}: objective {each.name} has neither at_most nor at_least")
    return objectives


def watch(http: httpx.Client, objectives: Sequence[Objective], asked: Asked) -> int:
    """Ask until the time is over or a bad answer came so often in a row as `strikes` says."""
    time.sleep(asked.settle_s)
    ends = time.monotonic() + asked.watch_s
    row: dict[str, tuple[Verdict, int]] = {}
    while True:
        answers = {each.name: answer(http, each, asked) for each in objectives}
        row = rows(row, answers)
        if struck := [
            (name, verdict) for name, (verdict, times) in row.items() if verdict and times >= asked.strikes
        ]:
            names = ", ".join(name for name, _ in struck)
            worst = (
                Verdict.MISSED if any(verdict is Verdict.MISSED for _, verdict in struck) else Verdict.UNKNOWN
            )
            say(f"{'missed' if worst is Verdict.MISSED else 'nobody knows'}: {names}")
            return worst
        if time.monotonic() >= ends:
            say(f"kept: {', '.join(answers)}")
            return Verdict.KEPT
        time.sleep(asked.every_s)


def rows(
    before: Mapping[str, tuple[Verdict, int]], now: Mapping[str, Verdict]
) -> dict[str, tuple[Verdict, int]]:
    """How often in a row each objective had its present verdict."""
    return {
        name: (verdict, before[name][1] + 1 if name in before and before[name][0] is verdict else 1)
        for name, verdict in now.items()
    }


def answer(http: httpx.Client, objective: Objective, asked: Asked) -> Verdict:
    """Ask about one objective, and say what came."""
    query = Template(objective.query).substitute(selector=asked.selector, window=asked.window)
    try:
        value = number(http, query)
    except NoAnswerError as error:
        say(f"? {objective.name}: {error}")
        return Verdict.UNKNOWN
    verdict = objective.judge(value)
    mark = "✓" if verdict is Verdict.KEPT else "✗"
    say(f"{mark} {objective.name} {value:.4g} ({objective.bound}): {objective.says}")
    return verdict


def number(http: httpx.Client, query: str) -> float:
    """The one number that the query answers now. Raises `NoAnswerError`."""
    try:
        reply = http.post("/api/v1/query", data={"query": query})
    except httpx.HTTPError as error:
        raise NoAnswerError(f"Prometheus at {http.base_url} does not answer: {error}") from error
    try:
        body = reply.json()
    except ValueError as error:
        hint = "; set VISAPI_PROMETHEUS_TOKEN" if reply.status_code in (401, 403) else ""
        raise NoAnswerError(f"{http.base_url} answers {reply.status_code} and no JSON{hint}") from error
    if body.get("status") != "success":
        raise NoAnswerError(f"Prometheus refuses the query: {body.get('error', reply.status_code)}")
    result = body["data"]["result"]
    if body["data"]["resultType"] == "scalar":
        return float(result[1])
    if len(result) != 1:
        raise NoAnswerError("no series; is the stack scraped, and is the selector right?" if not result
                            else f"{len(result)} series instead of one number")  # fmt: skip
    return float(result[0]["value"][1])


def say(text: str) -> None:
    print(f"slo-check: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
