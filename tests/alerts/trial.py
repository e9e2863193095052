"""Injects faults and harmless disturbances, and judges what the receivers heard.

A fault is found when its alert arrives. A page that no fault of its round explains is false, and so is every page
during a disturbance. Faults of one round are independent of each other and struck at once; a round begins when no
page fires any more.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from alerts.ground import Ground
from alerts.monitoring import Monitoring
from alerts.receivers import Heard
from visapi.stack.processes import wait_for

PAGE_WITHIN_S = 60.0
TICKET_WITHIN_S = 240.0
QUIET_WITHIN_S = 420.0
SETUP_S = 10.0
"""An alert may arrive while its fault is still being made."""
LISTEN_S = 45.0
"""How long after a disturbance a page would still arrive."""


@dataclass(frozen=True)
class Fault:
    """One thing that breaks. `also` are the alerts that follow from it."""

    alert: str
    what: str
    strike: Callable[[Ground, Monitoring], AbstractContextManager[None]]
    page: bool = True
    within_s: float = PAGE_WITHIN_S
    also: frozenset[str] = frozenset()


class Disturbance(NamedTuple):
    """What happens on ordinary days."""

    what: str
    strike: Callable[[Ground, Monitoring], None]


@dataclass
class Result:
    """What became of one fault or disturbance. `after_s` is the time from injection to receiver."""

    what: str
    alert: str = ""
    page: bool = True
    within_s: float = PAGE_WITHIN_S
    after_s: float | None = None
    false_pages: list[str] = field(default_factory=list[str])


class Trial:
    """The results of one run of the trial."""

    def __init__(self, ground: Ground, watching: Monitoring) -> None:
        self._ground = ground
        self._watching = watching
        self.faults: list[Result] = []
        self.disturbances: list[Result] = []

    def strike(self, faults: Sequence[Fault]) -> None:
        """One round."""
        self.quiet()
        began = time.time()
        expected = {name for fault in faults for name in (fault.alert, *fault.also)}
        with ExitStack() as healing:
            struck: list[tuple[Fault, float]] = []
            for fault in faults:
                healing.enter_context(fault.strike(self._ground, self._watching))
                struck.append((fault, time.time()))
            results = [self._listened(fault, since) for fault, since in struck]
        self.faults += results
        false = self._pages(began) - expected
        results[0].false_pages += sorted(false)

    def disturb(self, disturbances: Sequence[Disturbance]) -> None:
        """One after the other, then listen for as long as a page may take."""
        began = time.time()
        for each in disturbances:
            each.strike(self._ground, self._watching)
            self.disturbances.append(Result(each.what))
        _until(time.time() + LISTEN_S)
        self.disturbances[-1].false_pages += sorted(self._pages(began))

    def quiet(self) -> None:
        """Wait until no page fires and none waits to be sent."""
        wait_for(lambda: not self._watching.firing("page"), timeout_s=QUIET_WITHIN_S, what="no page firing")

    def _listened(self, fault: Fault, since: float) -> Result:
        """Wait for the alert of a fault."""
        limit = fault.within_s * 2 if fault.page else TICKET_WITHIN_S
        deadline = since + limit
        notice: Heard | None = None
        while notice is None and time.time() < deadline:
            notice = self._ground.receivers.first(fault.alert, since - SETUP_S)
            time.sleep(0.1)
        after = None if notice is None else max(0.0, notice.at - since)
        return Result(fault.what, fault.alert, fault.page, fault.within_s, after)

    def _pages(self, since: float) -> set[str]:
        """The pages that arrived since then."""
        return {
            notice.alert
            for notice in self._ground.receivers.heard
            if notice.at >= since and notice.status == "firing"
        }


def _until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def precision(faults: Iterable[Result], disturbances: Iterable[Result]) -> float:
    """The share of pages and tickets that a fault explains."""
    faults = list(faults)
    found = sum(result.after_s is not None for result in faults)
    false = sum(len(result.false_pages) for result in (*faults, *disturbances))
    return found / (found + false) if found + false else 0.0


def recall(faults: Iterable[Result]) -> float:
    """The share of faults whose alert arrived; a page in time."""
    faults = list(faults)
    found = sum(
        result.after_s is not None and (not result.page or result.after_s <= result.within_s)
        for result in faults
    )
    return found / len(faults) if faults else 0.0
