"""`python -m gamedays N`: hold one of the four game days, and write its report.

    PYTHONPATH=tests python -m gamedays 1..4 [--out FOLDER]

A whole stack runs under steady load, watched by Prometheus and Alertmanager. Chaos Toolkit tries the hypothesis, strikes,
waits, heals, and tries the hypothesis again; then every accepted run is accounted for. The exit code is 0 when nothing was
lost or doubled, everything was detected and recovered, and the hypothesis held again.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from gamedays.holding import held
from gamedays.place import opened
from gamedays.report import failures, page
from gamedays.zone import why_not
from kit.deploy_tools import ROOT

EXPERIMENTS = sorted((Path(__file__).parent / "experiments").glob("*.yaml"))
REPORTS = ROOT / "docs/operations/game-days"
PARTITION = 4


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="gamedays", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("number", type=int, choices=range(1, len(EXPERIMENTS) + 1))
    parser.add_argument("--out", type=Path, default=REPORTS)
    asked = parser.parse_args()
    console = Console(width=140)
    if asked.number == PARTITION and (reason := why_not()):
        console.print(f"this machine cannot hold game day {PARTITION}: {reason}")
        return 3
    experiment = EXPERIMENTS[asked.number - 1]
    with opened(with_zone=asked.number == PARTITION) as place:
        day = held(place, asked.number, experiment, target=f"make gameday N={asked.number}")
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / f"{experiment.stem}.md"
    path.write_text(page(day), encoding="utf-8")
    console.print(page(day), markup=False)
    console.print(f"written: {path}")
    return 1 if failures(day) else 0


if __name__ == "__main__":
    sys.exit(main())
