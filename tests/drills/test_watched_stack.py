"""The short forms of `make observe` and `make gameday`, on one stack under a little load that Prometheus and Alertmanager watch.

One blow of the first game day is struck with its hypothesis before and after, its detection by an alert, and the account of
every run. Then each panel of each dashboard is asked, and each rule and page of metrics is checked.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import disturbances, ticket_faults
from gamedays.holding import held
from gamedays.place import Place, opened
from gamedays.report import failures, page
from kit.deploy_tools import ROOT, TOOLS, cannot_run_here
from observe import happenings
from observe.boards import BOARDS, answered, confused
from observe.findings import wrong_pages, wrong_rules

pytestmark = pytest.mark.timeout(600)

EXPERIMENT = ROOT / "tests/gamedays/experiments/1-broker-loss.yaml"
BLOW = "nats-store-lost"
WARM_S = 32.0
"""A rate of 30 s holds nothing but the load."""
PAUSE_S = 32
NEEDED = ("prometheus", "promtool", "alertmanager", "chaos")
QUICK = (
    happenings.missing_workflow,
    happenings.unreadable_events,
    happenings.webhooks,
    happenings.egress_refused,
    disturbances.wrong_key,
    disturbances.duplicates,
    ticket_faults.chat_breaks,
)
EMPTY = {
    ("alerts", "Firing now"),
    ("notifications", "Refused by the egress guard"),
    ("notifications", "Share that fails"),
    ("overview", "Refused by a bound"),
    ("overview", "Refused by a rate or a quota"),
    ("overview", "Webhooks out"),
    ("pdf", "Browsers replaced"),
    ("queues", "Set aside alone"),
    ("queues", "Tasks that waited for their turn"),
    ("stores", "Statements that fail"),
    ("workflows", "Engine processes replaced"),
}
"""Panels that have data only after what `make observe` does and this file does not."""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    missing = [name for name in NEEDED if not (TOOLS / "bin" / name).exists()]
    if missing:
        cannot_run_here(
            f'{", ".join(missing)} not installed: run `make deploy-tools SETS="prometheus chaos"`'
        )
    began = time.monotonic()
    with opened(with_zone=False) as place:
        place.ground.deploy("nightly", "  - nap: {wait: {seconds: 1}}", schedule="{every: {seconds: 10}}")
        for happening in QUICK:
            happening(place.ground)
        print(f"\nthe stack and its monitoring are up after {time.monotonic() - began:.1f} s")
        yield place


def one_blow(folder: Path) -> Path:
    """The experiment with one of its blows, whose last pause is as short as the windows of the hypothesis allow."""
    experiment: Any = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8"))
    experiment["method"] = [
        step for step in experiment["method"] if step["provider"]["url"].endswith(f"/{BLOW}")
    ]
    experiment["method"][-1]["pauses"]["after"] = PAUSE_S
    path = folder / EXPERIMENT.name
    path.write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return path


def test_a_lost_store_of_nats_is_heard_and_recovered_from_and_no_run_is_lost_or_doubled(
    place: Place, tmp_path: Path
):
    began = time.monotonic()
    day = held(
        place,
        1,
        one_blow(tmp_path),
        target="make test TEST=tests/drills/test_watched_stack.py",
        warm_s=WARM_S,
    )
    (entry,) = day.entries
    print(
        f"\n{entry.name}: {entry.detected}, recovered after {entry.recovered_s} s; {time.monotonic() - began:.1f} s in all"
    )
    assert entry.detected
    assert failures(day) == [], page(day)


def test_every_panel_answers_every_rule_is_evaluated_and_every_page_of_metrics_is_clean(place: Place):
    began, now = time.monotonic(), time.time()
    panels = [panel for board in BOARDS for panel in answered(place.watching.near.url, board, now)]
    empty = {(panel.board, panel.title) for panel in panels if panel.empty}
    print(f"\n{len(panels)} panels, {len(empty)} of them empty, asked in {time.monotonic() - began:.1f} s")
    assert empty <= EMPTY, sorted(empty - EMPTY)
    assert [(panel.title, confused(panel)) for panel in panels if confused(panel)] == []
    assert wrong_rules(place.watching) == []
    assert wrong_pages(place.ground) == []
