"""`python -m alerts`: inject real faults and harmless disturbances, and print which alerts arrived, and when.

    PYTHONPATH=tests python -m alerts [--only WORDS]

The exit code is 0 when every fault was heard, each page within 60 seconds, and no page was false.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence

from rich.console import Console

from alerts import disturbances, page_faults, ticket_faults
from alerts.checks import far_away, gap_s, silence_is_heard
from alerts.monitoring import FACTOR
from alerts.opening import Place, opened
from alerts.report import show
from alerts.trial import Disturbance, Fault, Result, precision, recall

BEAT_S = 60
NIGHT_S = 90.0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="alerts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="parts of the names of alerts, apart by ;")
    words = [word for word in parser.parse_args().only.split(";") if word]
    console = Console(width=140)
    with opened() as place:
        if not words:
            _disturb(place, console)
        for faults in _chosen((*ticket_faults.ROUNDS, *page_faults.ROUNDS), words):
            place.trial.strike(faults)
            for result in place.trial.faults[-len(faults) :]:
                _told(console, result)
        if not words:
            _of_monitoring(place, console)
    show(place.trial, console)
    good = (
        recall(place.trial.faults) == 1.0 and precision(place.trial.faults, place.trial.disturbances) == 1.0
    )
    return 0 if good else 1


def _chosen(rounds: Sequence[Sequence[Fault]], words: Sequence[str]) -> Iterable[list[Fault]]:
    for faults in rounds:
        chosen = [fault for fault in faults if not words or any(word in fault.alert for word in words)]
        if chosen:
            yield chosen


def _disturb(place: Place, console: Console) -> None:
    for some in (
        disturbances.QUICK,
        disturbances.RESTARTS[:6],
        disturbances.RESTARTS[6:],
        disturbances.OTHERS,
    ):
        place.trial.disturb(some)
        console.print(f"{len(some)} disturbances: pages {place.trial.disturbances[-1].false_pages}")

    def night(*_: object) -> None:
        place.night.set()
        time.sleep(NIGHT_S)
        place.night.clear()

    place.trial.disturb([Disturbance(f"nobody uses the stack for {NIGHT_S:.0f} s", night)])


def _of_monitoring(place: Place, console: Console) -> None:
    began = time.time() - 60
    with far_away(place.watching):
        time.sleep(60)
    gap = gap_s(place.watching, began, time.time())
    console.print(f"remote write: the second Prometheus was away for 60 s, its longest gap is {gap:.1f} s")
    after = silence_is_heard(place.watching, place.receivers, beat_s=BEAT_S)
    console.print(
        f"dead man's switch: Prometheus killed, two missed heartbeats of {BEAT_S} s after {after:.0f} s"
    )
    console.print(f"windows and waits of 5 minutes and more were divided by {FACTOR}")


def _told(console: Console, result: Result) -> None:
    after = "NOT HEARD" if result.after_s is None else f"{result.after_s:.1f} s"
    console.print(f"{result.alert}: {after} {result.false_pages or ''}")


if __name__ == "__main__":
    sys.exit(main())
