"""The types of webhooks to endpoints, the patterns that choose among them, and the body of one. Pure."""

from collections.abc import Sequence
from datetime import datetime
from enum import IntFlag
from typing import Any

import msgspec

RUN, TASK, EVENT = "run.", "task.", "event."
"""How the types of webhooks begin; what follows `event.` is the type of a CloudEvent."""
RUN_TYPES = frozenset(
    RUN + word for word in ("started", "suspended", "resumed", "completed", "faulted", "cancelled")
)
TASK_TYPES = frozenset(
    TASK + word
    for word in (
        "created",
        "started",
        "suspended",
        "resumed",
        "retried",
        "completed",
        "faulted",
        "cancelled",
        "skipped",
    )
)
PING = "endpoint.ping"
DISABLED = "endpoint.disabled"
"""The type of the event about an endpoint that was disabled by itself."""

_encode = msgspec.json.Encoder().encode


class Wants(IntFlag):
    """What an endpoint wants to know of, as the bits of `endpoints.wants`."""

    RUNS = 1
    TASKS = 2
    EVENTS = 4


def wants_of(types: Sequence[str]) -> Wants:
    """The families that these patterns choose from."""
    families = {RUN: Wants.RUNS, TASK: Wants.TASKS, EVENT: Wants.EVENTS}
    found = Wants(0)
    for family, wants in families.items():
        if any(pattern == "*" or pattern.startswith(family) for pattern in types):
            found |= wants
    return found


def mistake_in_type(pattern: str) -> str | None:
    """Why nothing can ever have a type like this; None where something can."""
    stem = pattern.removesuffix("*")
    if pattern == "*" or (pattern.startswith(EVENT) and (len(pattern) > len(EVENT))):
        return None
    known = sorted(RUN_TYPES | TASK_TYPES)
    families = stem.startswith((RUN, TASK))
    if families and (stem in known if stem == pattern else any(one.startswith(stem) for one in known)):
        return None
    return (
        f"no webhook has a type like {pattern!r}; there are {', '.join(known)} and event.<the type of an "
        "event>, and each may end early with a *"
    )


class TextPatterns:
    """Texts to compare with, of which a last `*` stands for anything. None is everything."""

    def __init__(self, patterns: Sequence[str] | None) -> None:
        self._everything = patterns is None
        given = patterns or ()
        self._exact = frozenset(one for one in given if not one.endswith("*"))
        self._starts = tuple(one[:-1] for one in given if one.endswith("*"))

    def fit(self, text: str) -> bool:
        return self._everything or text in self._exact or text.startswith(self._starts)


def webhook_body(type_: str, at: datetime, data: bytes) -> bytes:
    """The body of a webhook, as Standard Webhooks proposes. `data` is JSON."""
    body: dict[str, Any] = {"type": type_, "timestamp": at, "data": msgspec.Raw(data)}
    return _encode(body)
