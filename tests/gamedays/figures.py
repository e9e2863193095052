"""What the moments of a game day come to. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gamedays.steady_load import INSIDE, OUTSIDE, Start

CALM = "before the first blow"


class Span(NamedTuple):
    """A part of the day: from one blow to the next, or before the first. Unix seconds."""

    name: str
    since: float
    until: float


class Ends(NamedTuple):
    """How long the runs of one workflow took, of those that were accepted in a span and have ended."""

    ended: int
    median_s: float
    slowest_s: float


@dataclass(frozen=True)
class Figures:
    """What clients saw in one span."""

    span: str
    starts: int
    refused: Mapping[int, int]
    slowest_start_s: float
    inside: Ends
    outside: Ends


def spans(began: float, blows: Sequence[tuple[str, float]], over: float) -> list[Span]:
    """The day in parts. `blows` are names with the moments at which they struck, in order."""
    names = [CALM, *(name for name, _ in blows)]
    moments = [began, *(struck for _, struck in blows), over]
    return [Span(name, moments[n], moments[n + 1]) for n, name in enumerate(names)]


def figures(span: Span, starts: Sequence[Start], times: Mapping[str, tuple[float, float]]) -> Figures:
    """`times` says when each run was created and ended."""
    of_span = [start for start in starts if span.since <= start.sent_at < span.until]
    refused = sum((start.refused for start in of_span), Counter[int]())
    return Figures(
        span=span.name,
        starts=len(of_span),
        refused=dict(sorted(refused.items())),
        slowest_start_s=max((start.took_s for start in of_span), default=0.0),
        inside=_ends(INSIDE, of_span, times),
        outside=_ends(OUTSIDE, of_span, times),
    )


def recovery_s(
    healed_at: float, starts: Sequence[Start], times: Mapping[str, tuple[float, float]], held: frozenset[str]
) -> float | None:
    """Seconds from a healing until the last run that was accepted before had ended; those that are held wait for a
    person. None: one has not ended.
    """
    before = [
        start.run
        for start in starts
        if start.accepted_at is not None and start.accepted_at <= healed_at and start.run not in held
    ]
    if any(run not in times for run in before):
        return None
    return max((times[run][1] - healed_at for run in before), default=0.0)


def _ends(flow: str, starts: Sequence[Start], times: Mapping[str, tuple[float, float]]) -> Ends:
    took = sorted(
        times[start.run][1] - times[start.run][0]
        for start in starts
        if start.flow == flow and start.run in times
    )
    return Ends(len(took), took[len(took) // 2], took[-1]) if took else Ends(0, 0.0, 0.0)
