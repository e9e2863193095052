"""The public shapes of flow control: the runs under way and the runs that wait, by key."""

from datetime import datetime
from typing import Any

import msgspec


class LimitView(msgspec.Struct, frozen=True):
    """One key of a workflow's `concurrency` or `rateLimit`, while a run holds a slot or waits for one.

    `limit` is null where only a rate limits. `next_turn` is the time when the rate admits the next waiting
    run.
    """

    namespace: str
    name: str
    key: Any
    """The result of the key expression; null without one."""
    limit: int | None
    under_way: int
    waiting: int
    waiting_since: datetime | None
    next_turn: datetime | None


class LimitPage(msgspec.Struct, frozen=True):
    items: list[LimitView]
    next: str | None
