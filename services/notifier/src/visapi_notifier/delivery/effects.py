"""An effect to deliver, and the time of a try."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Literal

from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Sent


@dataclass(frozen=True, slots=True)
class Time:
    """What a try may take. `chosen`: by the task's own timeout, which takes the place of every default.
    `left_s` is what the task, and what is around it, leave for the try and everything after it.
    """

    limit_s: float
    chosen: bool = False
    left_s: float = inf


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect to deliver. `attempt(time)` is one try and raises faults, and `Postponed` where nothing was
    sent and the operator has to mend something first.

    `keyed` says that the receiver recognises a repetition; `recorded` is false for requests
    without any effect, which need no ledger. `mask` knows the secrets that must not come back.
    """

    channel: str
    attempt: Callable[[Time], Awaitable[Reading]]
    keyed: bool = False
    recorded: bool = True
    unsent: Any = None
    """The output in a test run, whose effects are not carried out."""
    delivered_as: Literal["sent", "sunk"] = "sent"
    """How its success is counted."""
    timeout_s: float = 30.0
    """The default timeout of a try, where the task has none."""
    mask: Mask = field(default_factory=Mask)


def sunk(effect: Effect) -> Effect:
    """The effect in a test run: recorded and answered, but not carried out."""

    async def attempt(_: Time) -> Reading:
        return Sent(effect.unsent)

    return replace(effect, attempt=attempt, delivered_as="sunk")
